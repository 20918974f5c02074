"""A secret is found and cut in whatever it is wrapped."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import json
import pickle
import struct
import tarfile
import urllib.parse
import zipfile
import zlib
from collections.abc import Callable

import pytest

from jupyter_qguard.scan.limits import Limits
from jupyter_qguard.scan.scanner import scan_bytes, scan_notebook, scan_text
from tests.unit.scan import scan_support as support
from tests.unit.scan.test_scanner import KEY, clean, code, look, notebook


def b64(data: bytes | str) -> str:
    return base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()


def png(*chunks: tuple[bytes, bytes], tail: bytes = b"") -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    inner = b"".join(chunk(*one) for one in chunks)
    return b"\x89PNG\r\n\x1a\n" + head + inner + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"") + tail


def zipped(name: str, body: bytes | str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, body)
    return out.getvalue()


def tarred(body: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo("a.gz")
        info.size = len(body)
        archive.addfile(info, io.BytesIO(body))
    return out.getvalue()


def stream(text: object) -> dict[str, object]:
    return {"output_type": "stream", "name": "stdout", "text": text}


def display(mime: str, data: object) -> dict[str, object]:
    return {"output_type": "display_data", "metadata": {}, "data": {mime: data}}


TEXT_FORMS: dict[str, Callable[[str], str]] = {
    "plain": lambda t: f"a {t} b",
    "ansi around": lambda t: f"\x1b[31m{t}\x1b[0m",
    "ansi inside": lambda t: f"a \x1b[1m{t[:9]}\x1b[0m\x1b[32m{t[9:]}\x1b[0m b",
    "osc link": lambda t: f"\x1b]8;;http://x\x07{t}\x1b]8;;\x07",
    "zero width": lambda t: f"a {t[:9]}\u200b{t[9:]} b",
    "nul bytes": lambda t: "a " + "\0".join(t) + " b",
    "tags inside": lambda t: f"<p><b>{t[:9]}</b><i>{t[9:]}</i></p>",
    "entities": lambda t: f"<p>{''.join(f'&#{ord(c)};' for c in t[:5])}{t[5:]}</p>",
    "hex entities": lambda t: "".join(f"&#x{ord(c):x};" for c in t),
    "json escapes": lambda t: '{"a": "' + "".join(f"\\u{ord(c):04x}" for c in t) + '"}',
    "python escapes": lambda t: "'" + "".join(f"\\x{ord(c):02x}" for c in t[:6]) + t[6:] + "'",
    "escaped line end before": lambda t: repr(f"x\n{t}\n"),
    "percent": lambda t: "https://x/?q=" + "".join(f"%{ord(c):02X}" for c in t),
    "percent in part": lambda t: f"https://x/?q=%22{t[:6]}%{ord(t[6]):02x}{t[7:]}%22",
    "tags in escapes": lambda t: '"' + f"\\u003cb\\u003e{t[:9]}\\u003c/b\\u003e{t[9:]}" + '"',
    "base64": lambda t: f"see {b64('key=' + t)} ok",
    "base64 twice": lambda t: f"see {b64('inner ' + b64('key=' + t))} ok",
    "base64 url": lambda t: "x " + base64.urlsafe_b64encode(f"\xff\xfe?>~key={t}".encode()).decode().rstrip("=") + " y",
    "base64 wrapped": lambda t: base64.encodebytes(f"{'padding ' * 20}{t} {'tail ' * 30}".encode()).decode(),
    "base64 after a path": lambda t: f"/srv/{b64('key=' + t)}",
    "base64 utf-16": lambda t: f"-enc {b64(f'run {t}'.encode('utf-16-le'))} .",
    "data uri": lambda t: f'<a href="data:text/plain;base64,{b64("key=" + t)}">x</a>',
    "data uri percent": lambda t: f"<a href='data:text/html,{urllib.parse.quote('<p>' + t + '</p>')}'>x</a>",
    "json in base64 with a data uri": lambda t: b64(json.dumps({"u": "data:text/plain;base64," + b64("key=" + t)})),
    "hex": lambda t: f"dump {('key=' + t).encode().hex()} end",
    "gzip in base64": lambda t: f"dump {b64(gzip.compress(t.encode()))} end",
    "zlib in base64": lambda t: f"dump {b64(zlib.compress(t.encode()))} end",
    "bzip2 in base64": lambda t: f"dump {b64(bz2.compress(t.encode()))} end",
    "zip in base64": lambda t: f"dump {b64(zipped('a.txt', t))} end",
    "zip in zip": lambda t: f"dump {b64(zipped('a.zip', zipped('b.txt', t)))} end",
    "zip member name": lambda t: f"dump {b64(zipped(t, 'x'))} end",
    "tar with gzip": lambda t: f"dump {b64(tarred(gzip.compress(t.encode())))} end",
    "pickle": lambda t: f"dump {b64(pickle.dumps({'a': [t]}))} end",
    "png in html": lambda t: (
        f'<img src="data:image/png;base64,{b64(png((b"tEXt", b"Comment" + bytes(1) + t.encode())))}">'
    ),
}


@pytest.mark.parametrize("form", TEXT_FORMS)
def test_text_forms_in_an_output(form: str) -> None:
    token = support.hex_token()
    nb = notebook(code("1", stream(TEXT_FORMS[form](token))))
    assert len(look(nb).findings) == 1, form
    clean(nb)


@pytest.mark.parametrize("form", TEXT_FORMS)
def test_text_forms_in_sources_html_and_metadata(form: str) -> None:
    first, second, third = support.hex_token(), support.hex_token(), support.hex_token()
    make = TEXT_FORMS[form]
    markdown = {"cell_type": "markdown", "metadata": {"note": make(first)}, "source": make(second)}
    nb = notebook(markdown, code("1", display("text/html", make(third))))
    assert sorted(str(f.address.field) for f in look(nb).findings) == [
        "metadata.note",
        "outputs[0].data.text/html",
        "source",
    ]
    clean(nb)


def test_base64_text_is_cut_and_encoded_again() -> None:
    token = support.hex_token()
    nb = notebook(
        {
            "cell_type": "markdown",
            "metadata": {},
            "source": "",
            "attachments": {"a.txt": {"text/plain": b64(f"one\ntwo {token} three")}},
        }
    )
    scan = look(nb)
    (finding,) = scan.findings
    assert (finding.address.field, finding.line, finding.column) == ("attachments.a.txt", 2, 5)
    assert finding.cut
    done = clean(nb)
    text = base64.b64decode(done.content["cells"][0]["attachments"]["a.txt"]["text/plain"]).decode()
    assert text == f"one\ntwo {done.markers[0]} three"


def test_several_secrets_in_one_run() -> None:
    tokens = [support.hex_token() for _ in range(3)]
    nb = notebook(code("1", stream(f"x {b64(' and '.join(tokens))} y")))
    assert len(look(nb).findings) == 3
    text = clean(nb).content["cells"][0]["outputs"][0]["text"]
    assert base64.b64decode(text[2:-2]).decode().count("[REDACTED:") == 3


IMAGES: dict[str, Callable[[bytes], bytes]] = {
    "png tEXt": lambda t: png((b"tEXt", b"Comment\0" + t)),
    "png zTXt": lambda t: png((b"zTXt", b"Comment\0\0" + zlib.compress(t))),
    "png iTXt": lambda t: png((b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(t))),
    "png own chunk": lambda t: png((b"qgRd", t)),
    "png tail": lambda t: png(tail=t),
    "png broken checksum": lambda t: png((b"tEXt", b"Comment\0" + t))[:-1] + b"x",
    "png start only": lambda t: b"\x89PNG\r\n\x1a\n" + t,
    "jpeg comment": lambda t: b"\xff\xd8\xff\xfe" + struct.pack(">H", len(t) + 2) + t + b"\xff\xda\0\2\1\xff\xd9",
    "jpeg tail": lambda t: b"\xff\xd8\xff\xe0\0\4ab\xff\xda\0\2\1\xff\xd9" + t,
    "gif comment": lambda t: b"GIF89a\1\0\1\0\0\0\0!\xfe" + bytes([len(t)]) + t + b"\0;",
    "gif tail": lambda t: b"GIF89a\1\0\1\0\0\0\0;" + t,
    "webp chunk": lambda t: b"RIFF" + struct.pack("<I", 12 + len(t)) + b"WEBPEXIF" + struct.pack("<I", len(t)) + t,
}


@pytest.mark.parametrize("form", IMAGES)
def test_images_go_as_a_whole(form: str) -> None:
    token = support.hex_token()
    good = display("image/png", b64(png()))
    nb = notebook(code("1", good, display("image/png", b64(IMAGES[form](token.encode())) + "\n")))
    scan = look(nb)
    (finding,) = scan.findings
    assert not finding.cut
    done = clean(nb)
    outputs = done.content["cells"][0]["outputs"]
    assert outputs[0] is nb["cells"][0]["outputs"][0]
    assert outputs[1]["data"]["image/png"].strip() == done.markers[0]


def test_verified_images_are_not_read_as_text() -> None:
    engine = support.FakeEngine()
    scan_notebook(notebook(code("1", display("image/png", b64(png())))), engine=engine)
    assert not any("iVBOR" in text for text in engine.texts)


def test_pdf_streams() -> None:
    token = support.hex_token()
    page = f"BT [({token[:9]}) -20 ({token[9:]})] TJ ET".encode()
    pdf = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\nstream\n" + zlib.compress(page) + b"\nendstream"
    nb = notebook(code("1", display("application/pdf", b64(pdf))))
    assert [f.cut for f in look(nb).findings] == [False]
    clean(nb)


@pytest.mark.parametrize("length", [1, 2, 3, 4, 40])
@pytest.mark.parametrize("kind", ["zip", "zip in zip", "samples", "sound"])
def test_small_binary_data_full_of_zeros_is_not_taken_for_utf_16(kind: str, length: int) -> None:
    """Of even length it decodes as UTF-16, to letters that no rule knows."""
    token = support.hex_token()
    samples = struct.pack("<300h", *(1 + i % 90 for i in range(300)))
    data = {
        "zip": zipped("a" * length, token),
        "zip in zip": zipped("a.zip", zipped("a" * length, token)),
        "samples": samples + f"made by {token}".encode() + b"." * length,
        "sound": b"RIFF\xff\x02\0\0WAVEfmt " + samples + b"LIST\x30\0\0\0" + token.encode() + b"." * length,
    }[kind]
    assert scan_bytes(data, name="a.bin", engine=support.FakeEngine(), key=KEY).findings
    nb = notebook(code("1", display("application/octet-stream", b64(data))))
    assert token not in str(clean(nb).content)
    assert look(nb).findings


def test_a_zip_bomb_is_unchecked() -> None:
    bomb = zipped("a", zipped("b", bytes(40 << 20)))
    nb = notebook(code("1", stream(b64(bomb))))
    scan = scan_notebook(nb, engine=support.FakeEngine(), limits=Limits(inflated_bytes=1 << 20))
    (part,) = scan.unchecked
    assert (part.field, part.over_budget) == ("cells[0].outputs[0].text", True)


def test_too_many_members_and_encrypted_or_broken_archives_are_unchecked() -> None:
    for data, limits in (
        (zipped("a", "b"), Limits(members=0)),
        (zipped("a", "b" * 999)[:-9], Limits()),
        (gzip.compress(b"abc" * 999)[:-30], Limits()),
        (b"7z\xbc\xaf\x27\x1c" + bytes(50), Limits()),
    ):
        scan = scan_bytes(data, name="x.bin", engine=support.FakeEngine(), limits=limits)
        assert scan.kind == "opaque"
        assert scan.unchecked


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"])
def test_encodings_of_plain_files(codec: str) -> None:
    token = support.hex_token()
    text = f"schlüssel = {token}\nende\n"
    scan = scan_bytes(text.encode(codec), name="a.txt", engine=support.FakeEngine(), key=KEY)
    assert (scan.kind, len(scan.findings)) == ("text", 1)
    done = scan.redact([0])
    assert done.content.decode(codec) == text.replace(token, done.markers[0])


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_encodings_of_notebooks(codec: str) -> None:
    token = support.hex_token()
    text = json.dumps(notebook(code(f"x = '{token}'")))
    scan = scan_bytes(text.encode(codec), name="a.ipynb", engine=support.FakeEngine(), key=KEY)
    assert (scan.kind, len(scan.findings)) == ("notebook", 1)
    done = scan.redact([0])
    assert done.content.decode(codec) == text.replace(token, done.markers[0])


def test_a_few_kilobytes_that_unpack_to_very_much_are_unchecked() -> None:
    bomb = gzip.compress(gzip.compress(bytes(40 << 20), 9), 9)
    assert len(bomb) < 4096
    for scan in (
        scan_bytes(bomb, name="a.gz", engine=support.FakeEngine()),
        scan_text(base64.b64encode(bomb).decode(), engine=support.FakeEngine()),
    ):
        assert [part.over_budget for part in scan.unchecked] == [True]
