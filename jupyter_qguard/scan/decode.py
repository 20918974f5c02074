"""Bytes as text: which encoding, or none."""

from __future__ import annotations

import re

_BOMS = (
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_ASCII_RUN = re.compile(rb"[!-~]{16}")
_CONTROLS = bytes({*range(0x20)} - {7, 8, 9, 10, 12, 13, 27}) + b"\x7f"


def decode_text(data: bytes, *, guess: bool = True) -> tuple[str, str] | None:
    """Return (text, codec) such that encoding the text gives ``data`` back; None if it is no text.

    A byte order mark stays in the text as U+FEFF. UTF-8 may hold lone surrogates and NUL bytes. With ``guess``,
    UTF-16 without a mark is taken where most bytes say so and no long run of ASCII stands in it (there are zeros in
    small archives and in samples of sound too, and read as UTF-16 a secret beside them would not be seen), and what
    is no UTF-8 but has few control bytes is Latin-1.
    """
    for bom, codec in _BOMS:
        if data.startswith(bom):
            return _strict(data, codec)
    if guess and b"\x00" in data[:4096]:
        wide = _wide(data[:4096])
        if wide is not None and not _ASCII_RUN.search(data) and (text := _strict(data, wide)) is not None:
            return text
    text = _strict(data, "utf-8")
    if text is not None and (b"\0" not in data or _controls(data) <= len(data) // 10):
        return text
    if guess and text is None and _controls(data) <= len(data) // 50:
        return data.decode("latin-1"), "latin-1"
    return None


def _strict(data: bytes, codec: str) -> tuple[str, str] | None:
    try:
        text = data.decode(codec, "surrogatepass")
    except ValueError:
        return None
    if codec != "utf-8" and encode_text(text, codec) != data:
        return None
    return text, codec


def encode_text(text: str, codec: str) -> bytes:
    """Encode what :func:`decode_text` decoded, lone surrogates included."""
    return text.encode(codec, "surrogatepass")


def _wide(head: bytes) -> str | None:
    """Return the UTF-16 or UTF-32 flavour that NUL bytes at every other place speak for."""
    units = len(head) // 2
    if units < 2:
        return None
    if head[0::2].count(0) * 10 >= units * 4 and head[1::2].count(0) * 10 < units * 3:
        return "utf-16-be"
    if head[1::2].count(0) * 10 >= units * 4 and head[0::2].count(0) * 10 < units * 3:
        return "utf-16-le"
    if head[0::4].count(0) + head[1::4].count(0) + head[2::4].count(0) >= len(head) // 4 * 3 - 3:
        return "utf-32-be"
    if head[1::4].count(0) + head[2::4].count(0) + head[3::4].count(0) >= len(head) // 4 * 3 - 3:
        return "utf-32-le"
    return None


def _controls(data: bytes) -> int:
    """Count control bytes that texts do not have."""
    return len(data) - len(data.translate(None, _CONTROLS))
