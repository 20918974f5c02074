"""Images: is it one as a whole, and which bytes in it are not pixels?

A structure that holds together (lengths, checksums, end marks) is believed; every byte outside pixel data
is handed back to be scanned. Returns None for what does not hold together: that is scanned as plain bytes.
Formats: PNG (ISO/IEC 15948), JPEG (ITU T.81), GIF89a, RIFF/WebP.
"""

from __future__ import annotations

import struct
import zlib

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_SMALL = frozenset((b"IHDR", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"pHYs", b"sRGB", b"bKGD"))
_PNG_PIXELS = _PNG_SMALL | {b"IDAT", b"fdAT", b"PLTE"}
_WEBP_PIXELS = frozenset((b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF"))
MAX_TEXT = 1 << 20
_MATPLOTLIB = b"Software\0Matplotlib version"


def starts_like_one(data: bytes) -> bool:
    """Return whether the first bytes are those of an image."""
    return data.startswith((b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF8", b"RIFF"))


def side_data(data: bytes) -> list[bytes] | None:
    """Return the bytes of an image that are not pixels, or None if ``data`` is no sound image."""
    try:
        if data.startswith(_PNG):
            return _png(data)
        if data.startswith(b"\xff\xd8\xff"):
            return _jpeg(data)
        if data.startswith((b"GIF87a", b"GIF89a")):
            return _gif(data)
        if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
            return _webp(data)
    except (IndexError, struct.error):
        return None
    return None


def _png(data: bytes) -> list[bytes] | None:
    out: list[bytes] = []
    view = memoryview(data)
    at = 8
    while True:
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            return None
        body = view[at + 8 : end - 4]
        (crc,) = struct.unpack_from(">I", data, end - 4)
        # A wrong checksum: somebody wrote there afterwards, so even pixels are not believed.
        sound = zlib.crc32(body, zlib.crc32(kind)) == crc
        if not sound or kind not in _PNG_PIXELS or (kind in _PNG_SMALL and length > 1024):
            out += _png_text(kind, bytes(body))
        at = end
        if kind == b"IEND":
            break
    if at < len(data):
        out.append(data[at:])
    return out


def _png_text(kind: bytes, body: bytes) -> list[bytes]:
    """Return a chunk's text, inflated where the chunk type says that it is compressed."""
    if kind == b"tEXt" and body.startswith(_MATPLOTLIB) and len(body) < 80:
        return []  # in every matplotlib picture
    packed = b""
    name, _, rest = body.partition(b"\0")
    if kind in (b"zTXt", b"iCCP"):
        packed = rest[1:]
    elif kind == b"iTXt" and rest[:1] == b"\x01":
        packed = rest[2:].split(b"\0", 2)[-1]
    if not packed:
        return [body]
    try:
        text = zlib.decompressobj().decompress(packed, MAX_TEXT)
    except zlib.error:
        return [body]
    return [name + b"\0" + text] if kind == b"iCCP" else [body, text]


def _jpeg(data: bytes) -> list[bytes] | None:
    out: list[bytes] = []
    at = 2
    while True:
        if data[at] != 0xFF:
            return None
        kind = data[at + 1]
        if kind == 0xFF:
            at += 1
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        if at + 2 + length > len(data) or length < 2:
            return None
        if 0xE0 <= kind <= 0xEF or kind == 0xFE or kind < 0xC0:
            out.append(data[at + 4 : at + 2 + length])
        at += 2 + length
        if kind == 0xDA:
            break
    end = data.find(b"\xff\xd9", at)
    if end < 0:
        return None
    if end + 2 < len(data):
        out.append(data[end + 2 :])
    return out


def _gif(data: bytes) -> list[bytes] | None:
    out: list[bytes] = []
    at = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    while True:
        kind = data[at]
        if kind == 0x3B:
            break
        if kind == 0x2C:
            flags = data[at + 9]
            at = _gif_blocks(data, at + 11 + (3 << (flags & 7) + 1 if flags & 0x80 else 0), None)
        elif kind == 0x21:
            texts: list[bytes] = []
            at = _gif_blocks(data, at + 2, texts)
            out.append(b"".join(texts))
        else:
            return None
    if at + 1 < len(data):
        out.append(data[at + 1 :])
    return [part for part in out if len(part) > 12]


def _gif_blocks(data: bytes, at: int, keep: list[bytes] | None) -> int:
    """Skip sub-blocks; return where they end."""
    while data[at]:
        if keep is not None:
            keep.append(data[at + 1 : at + 1 + data[at]])
        at += data[at] + 1
    return at + 1


def _webp(data: bytes) -> list[bytes] | None:
    out: list[bytes] = []
    (size,) = struct.unpack_from("<I", data, 4)
    stop = size + 8
    if stop > len(data):
        return None
    at = 12
    while at + 8 <= stop:
        kind, length = struct.unpack_from("<4sI", data, at)
        if at + 8 + length > stop:
            return None
        if kind not in _WEBP_PIXELS:
            out.append(data[at + 8 : at + 8 + length])
        at += 8 + length + (length & 1)
    if stop < len(data):
        out.append(data[stop:])
    return out
