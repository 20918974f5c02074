"""A strict search for a value in whatever an exporter may have made: wrapped, packed, escaped, cut up by markup."""

from __future__ import annotations

import base64
import binascii
import html
import io
import re
import urllib.parse
import zipfile
import zlib
from collections.abc import Iterator

_RUN = re.compile(rb"[A-Za-z0-9+/_-]{16,}={0,2}")
_STREAM = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.S)
_WINDOW = 8


def leaks(data: bytes, values: dict[str, str]) -> list[str]:
    """Return the names of the values of which 8 characters in a row of the random part stand in ``data``."""
    windows = {
        name: {value[4:][start : start + _WINDOW].lower() for start in range(len(value) - 4 - _WINDOW + 1)}
        for name, value in values.items()
    }
    found = set()
    for form in forms(data):
        text = form.decode("latin-1").lower()
        for name, parts in windows.items():
            if name not in found and any(part in text for part in parts):
                found.add(name)
    return sorted(found)


def forms(data: bytes, depth: int = 3) -> Iterator[bytes]:
    """Yield the data and everything that it can be decoded to."""
    yield data
    text = data.decode("utf-8", "ignore")
    yield from (
        html.unescape(text).encode(),
        urllib.parse.unquote(text).encode(),
        squeezed(re.sub(r"<[^>]*>", "", text)),
        squeezed(re.sub(r"\\[A-Za-z]+\{\}", "", text)),
        re.sub(r"\\u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), text).encode("utf-8", "replace"),
        data.replace(b"\0", b""),  # UTF-16
    )
    if depth == 0:
        return
    for inner in (*_unzipped(data), *_inflated(data), *_decoded(data), *_decoded(re.sub(rb"(?:\\n|\s)+", b"", data))):
        yield from forms(inner, depth - 1)


def squeezed(text: str) -> bytes:
    """Return letters and digits alone: markup between the characters of a value must not hide it."""
    return re.sub(r"[^A-Za-z0-9]+", "", text).encode()


def _unzipped(data: bytes) -> Iterator[bytes]:
    if data.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                yield name.encode()
                yield archive.read(name)


def _inflated(data: bytes) -> Iterator[bytes]:
    for match in _STREAM.finditer(data):  # PDF
        try:
            yield zlib.decompress(match[1])
        except zlib.error:
            continue
    if data.startswith(b"\x89PNG"):
        position = 8
        while position + 8 <= len(data):
            size = int.from_bytes(data[position : position + 4], "big")
            kind, body = data[position + 4 : position + 8], data[position + 8 : position + 8 + size]
            if kind in (b"zTXt", b"iTXt"):
                try:
                    yield zlib.decompress(body.partition(b"\0\0")[2])
                except zlib.error:
                    yield body
            position += size + 12


def _decoded(data: bytes) -> Iterator[bytes]:
    for match in _RUN.finditer(data):
        run = match[0].rstrip(b"=").replace(b"-", b"+").replace(b"_", b"/")
        for shift in range(4 if len(run) < 4000 else 1):
            part = run[shift:]
            try:
                yield base64.b64decode(part[: len(part) // 4 * 4])
            except binascii.Error:
                continue
