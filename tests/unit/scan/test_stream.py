"""Scanning in windows finds what scanning the whole finds, at the same places, whatever the windows are."""

from __future__ import annotations

import base64
import random
import secrets
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_qguard.scan.scanner import scan_bytes
from jupyter_qguard.scan.stream import OVERLAP, StreamScan

KEY = b"k" * 32


def aws(rng: random.Random) -> str:
    return "AKIA" + "".join(rng.choice(string.ascii_uppercase + "234567") for _ in range(16))


def streamed(data: bytes, sizes: list[int]) -> tuple[list[tuple], int]:
    """Return (rule, fingerprint, line, column) of all findings, and how many bytes were let go too early."""
    scan, at, found, early, turn, let_go = StreamScan(data, key=KEY), 0, [], 0, 0, 0
    text = data.decode(scan._codec) if scan.kind == "text" else ""
    starts = [0, *(i + 1 for i, c in enumerate(text) if c == "\n")]
    while True:
        size = sizes[turn % len(sizes)]
        turn += 1
        last = at + size >= len(data)
        window = scan.feed(data[at : at + size], last=last)
        at = min(len(data), at + size)
        for finding in window.scan.findings:
            placed = window.placed(finding)
            if placed is not None:
                found.append((placed.rule.id, placed.fingerprint, placed.line, placed.column))
                early += bool(text) and starts[placed.line - 1] + placed.column - 1 < let_go
        let_go = len(data[: at - window.held].decode(scan._codec, "ignore")) if text else 0
        if last:
            return found, early
        assert 0 <= window.held <= 4 * OVERLAP + 4


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32),
    st.lists(st.integers(OVERLAP // 2, 3 * OVERLAP), min_size=1, max_size=4),
    st.sampled_from(["utf-8", "utf-16-le", "utf-16-be", "utf-8-wide"]),
)
def test_windows_of_text_find_what_the_whole_holds(seed: int, sizes: list[int], codec: str) -> None:
    rng = random.Random(seed)
    filler = "g\u00fcnstig \U0001f600 12.5" if codec == "utf-8-wide" else "nothing here, 12.5"
    lines = [filler * rng.randrange(1, 40) for _ in range(rng.randrange(200, 900))]
    for _ in range(3):
        lines.insert(rng.randrange(len(lines)), f"{filler} key = {aws(rng)} end")
    text = "\n".join(lines)
    encoding = "utf-8" if codec == "utf-8-wide" else codec
    data = (text if encoding == "utf-8" else "\ufeff" + text).encode(encoding)
    whole = scan_bytes(data, name="a.txt", key=KEY)
    expected = [(f.rule.id, f.fingerprint, f.line, f.column) for f in whole.findings]
    found, early = streamed(data, sizes)
    assert len(expected) == 3
    assert found == expected
    assert early == 0, "nothing of a finding has been let go before it was reported"


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(OVERLAP // 2, 3 * OVERLAP))
def test_windows_of_bytes_find_it_too(seed: int, size: int) -> None:
    rng = random.Random(seed)
    data = bytearray(rng.randbytes(OVERLAP * 6))
    secret = aws(rng)
    at = rng.randrange(len(data) - 100)
    data[at : at + 30] = f"\n key={secret}\n\n\n\n".encode()[:30].ljust(30, b"\n")
    found, _ = streamed(bytes(data), [size])
    assert {(rule, line) for rule, _, line, _ in found} == {("aws-access-key-id", data[: at + 1].count(b"\n") + 1)}


@pytest.mark.parametrize("shape", ["percent", "base64", "utf-16", "escape"])
def test_encoded_in_binary_data(shape: str) -> None:
    rng = random.Random(secrets.randbits(64))
    secret = aws(rng)
    forms = {
        "percent": "token=" + "".join(f"%{ord(c):02X}" for c in secret),
        "base64": base64.b64encode(f"access key {secret} of mine".encode()).decode(),
        "utf-16": secret.encode("utf-16-le").decode("latin-1"),
        "escape": "key = '" + "".join(f"\\x{ord(c):02x}" for c in secret) + "'",
    }
    noise = bytes(1 + b % 31 for b in rng.randbytes(4000)) if shape != "utf-16" else bytes(4000)
    data = noise + b"\x00\x00" + forms[shape].encode("latin-1") + b"\x00\x00" + noise
    for found in (streamed(data, [OVERLAP])[0], scan_bytes(data, name="a.bin", key=KEY).findings):
        assert found, shape


@pytest.mark.parametrize(
    ("head", "kind", "said"),
    [
        (b"plain text\n", "text", ""),
        ("\ufeffwide".encode("utf-16-le"), "text", ""),
        (b"PK\x03\x04" + bytes(50), "opaque", "zip"),
        (b"\x1f\x8b" + bytes(range(200)), "opaque", "gzip"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(range(200)), "opaque", "not read"),
        (bytes(4096), "opaque", ""),
        (b"", "text", ""),
        (b"%PDF-1.7\n", "opaque", "pdf"),
        (b"\x80\x04\x95" + bytes(range(100)), "opaque", ""),
        (("\u00fc" * 2100).encode()[:4096], "text", ""),
        (("x" + "\u00fc" * 2100).encode()[:4096], "text", ""),
        (("g\u00fcnstig\n" * 500).encode("latin-1"), "text", ""),
    ],
)
def test_what_a_file_is_and_what_is_not_seen_in_it(head: bytes, kind: str, said: str) -> None:
    scan = StreamScan(head)
    assert scan.kind == kind
    assert [said in part.reason for part in scan.opening().unchecked] == ([True] if said else [])


def test_broken_characters_do_not_stop_it() -> None:
    rng = random.Random(3)
    secret = aws(rng)
    data = b"text\n" * OVERLAP + b"\xff\xfe\xfd\xc3" * 999 + f"\nkey={secret}\n".encode() + b"\xf0\x9f" * OVERLAP
    found, _ = streamed_kinds(data)
    assert found == ["aws-access-key-id"]


def streamed_kinds(data: bytes) -> tuple[list[str], int]:
    scan, found = StreamScan(data[:4096]), []
    for at in range(0, len(data), OVERLAP):
        window = scan.feed(data[at : at + OVERLAP], last=at + OVERLAP >= len(data))
        found += [f.rule.id for f in window.scan.findings if window.placed(f)]
    return found, scan._line
