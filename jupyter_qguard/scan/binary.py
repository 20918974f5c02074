"""Texts inside binary data: archives, compressed streams, PDF, pickles, pictures. Bounded everywhere.

What is yielded here cannot be cut out of its container. Formats that are recognised but not read
are reported, so that nothing passes silently. Not read: encrypted members, text drawn as glyphs.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jupyter_qguard.scan.decode import decode_text
from jupyter_qguard.scan.gates import has_long_word
from jupyter_qguard.scan.images import side_data, starts_like_one
from jupyter_qguard.scan.limits import Limits

if TYPE_CHECKING:  # imported where an archive is met: most runs meet none, and they take a tenth of a start
    import bz2
    import lzma

_MAGIC = (
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\x1f\x8b", "gzip"),
    (b"x\x01", "gzip"),  # zlib streams
    (b"x\x9c", "gzip"),
    (b"x\xda", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"%PDF-", "pdf"),
    (b"\x28\xb5\x2f\xfd", "closed"),  # zstd
    (b"7z\xbc\xaf\x27\x1c", "closed"),
    (b"Rar!\x1a\x07", "closed"),
    (b"\x89HDF\r\n\x1a\n", "raw"),
    (b"\x80\x02", "raw"),  # pickles
    (b"\x80\x03", "raw"),
    (b"\x80\x04", "raw"),
    (b"\x80\x05", "raw"),
    (b"\x93NUMPY", "raw"),
    (b"SQLite format 3\x00", "raw"),
    (b"PAR1", "raw"),
)
_MAGICS = tuple(magic for magic, _ in _MAGIC)
_STREAM = re.compile(rb"stream\r?\n")
_PDF_TEXT = re.compile(rb"\(((?:[^()\\]|\\.)*)\)|<([0-9A-Fa-f\s]{2,})>")
_CHUNK = 1 << 16
_INFLATED_ANYWAY, _INFLATED_TIMES = 16 << 20, 16
"""Bytes that anything may unpack to, and how many times its size a larger thing may: texts pack about five to one."""
_BLANKED = bytes(i if 0x20 <= i < 0x7F or i in b"\t\n\r\x1b" else 0x20 for i in range(256))


@dataclass(slots=True)
class Budget:
    """What is left to spend in one scan, and what could not be looked into so far."""

    members: int
    inflated: int
    candidates: int
    nesting: int
    notes: list[tuple[str, bool]] = field(default_factory=list)

    @classmethod
    def of(cls, limits: Limits, size: int) -> Budget:
        """Start with ``limits``; what ``size`` bytes may unpack to is in proportion, so that a bomb stays small."""
        inflated = min(limits.inflated_bytes, max(_INFLATED_ANYWAY, size * _INFLATED_TIMES))
        return cls(limits.members, inflated, limits.candidates, limits.nesting)

    def note(self, reason: str, *, over_budget: bool = False) -> None:
        """Record that something was not looked into."""
        if (reason, over_budget) not in self.notes:
            self.notes.append((reason, over_budget))

    def spend(self, size: int) -> bool:
        """Take ``size`` bytes; False, and a note, if they are not there."""
        if size > self.inflated:
            self.inflated = 0
            self.note("unpacks to more than is looked into", over_budget=True)
            return False
        self.inflated -= size
        return True

    def member(self) -> bool:
        """Take one member; False, and a note, if there is none left."""
        if self.members <= 0:
            self.note("has more members than are looked into", over_budget=True)
            return False
        self.members -= 1
        return True


def kind_of(data: bytes) -> str | None:
    """Return what ``data`` is by its first bytes, None if unknown."""
    if data.startswith(_MAGICS):
        return next(kind for magic, kind in _MAGIC if data.startswith(magic))
    if len(data) > 262 and data[257:262] == b"ustar":
        return "tar"
    return None


def as_text(data: bytes) -> tuple[str, str] | None:
    """Return (text, codec) unless ``data`` is of a format that only looks like text (see ``decode_text``)."""
    kind = kind_of(data)
    if kind in ("pdf", "zip"):
        return None
    return decode_text(data, guess=kind is None and not starts_like_one(data))


def texts(data: bytes, budget: Budget, level: int = 0) -> Iterator[tuple[str, bool]]:
    """Yield (text, whether it is text as such or just bytes) of what is in ``data``, whatever it is."""
    decoded = as_text(data)
    if decoded is not None:
        yield decoded[0], True
        return
    sides = side_data(data)
    if sides is not None:
        for part in sides:
            yield from raw(part)
        return
    kind = kind_of(data)
    if kind == "closed":
        budget.note("is compressed in a way that is not read")
    if kind in _READERS:
        if level >= budget.nesting:
            budget.note("is packed too often", over_budget=True)
            return
        for part in _READERS[kind](data, budget):
            yield from texts(part, budget, level + 1)
        if kind in ("gzip", "bzip2", "xz"):
            return
    yield from raw(data)


def raw(data: bytes) -> Iterator[tuple[str, bool]]:
    """Yield the printable ASCII of bytes, all else blank, and, where they look like UTF-16, without their NULs."""
    if not data.strip(b"\0"):
        return  # the holes of a sparse file
    yield data.translate(_BLANKED).decode("ascii"), False
    if data.count(b"\0") * 8 > len(data):
        yield data.translate(_BLANKED, b"\0").decode("ascii"), False


_SHOWN = bytes(0x20 if i in b" \t\n\r\x1b" or not 0x20 < i < 0x7F else 0x61 for i in range(256))
_WORD = b"a" * 20
"""No encoded or escaped form of a secret is a shorter word than this."""
_AROUND = 80


def words(blanked: str) -> str:
    """Return the places in what :func:`raw` yields where something may be encoded: long words and what is beside them.

    Random bytes hold next to none, but so many percent signs and backslashes that reading all of it in other ways
    would take a hundred times as long as searching it.
    """
    data = blanked.encode("ascii")
    if not has_long_word(data):
        return ""
    shape = data.translate(_SHOWN)
    pieces: list[str] = []
    at = shape.find(_WORD)
    begin = end = 0
    while at >= 0:
        stop = shape.find(b" ", at)
        stop = len(shape) if stop < 0 else stop
        start = shape.rfind(b" ", 0, at) + 1
        if start - _AROUND > end:
            pieces.append(blanked[begin:end])
            begin = max(0, start - _AROUND)
        end = min(len(blanked), stop + _AROUND)
        at = shape.find(_WORD, stop)
    pieces.append(blanked[begin:end])
    return "\n".join(piece for piece in pieces if piece)


def _zip(data: bytes, budget: Budget) -> Iterator[bytes]:
    import lzma
    import zipfile

    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        budget.note("is a broken zip archive")
        return
    for info in members:
        if not budget.member():
            return
        yield info.filename.encode("utf-8", "surrogatepass")
        if info.is_dir():
            continue
        if info.flag_bits & 1:
            budget.note("has an encrypted member")
            continue
        try:
            with archive.open(info) as member:
                body = _bounded(member.read, budget)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, OSError, zlib.error, EOFError):
            budget.note("has a member that cannot be read")
            continue
        except lzma.LZMAError:
            budget.note("has a member that cannot be read")
            continue
        yield body


def _tar(data: bytes, budget: Budget) -> Iterator[bytes]:
    import tarfile

    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for info in archive:
                if not budget.member():
                    return
                yield info.name.encode("utf-8", "surrogateescape")
                member = archive.extractfile(info) if info.isfile() else None
                if member is not None:
                    yield _bounded(member.read, budget)
    except (tarfile.TarError, OSError, ValueError, EOFError):
        budget.note("is a broken tar archive")


def _bounded(read: Callable[[int], bytes], budget: Budget) -> bytes:
    """Read to the end or to the budget."""
    out: list[bytes] = []
    while True:
        chunk = read(_CHUNK)
        if not chunk or not budget.spend(len(chunk)):
            return b"".join(out)
        out.append(chunk)


def _gzip(data: bytes, budget: Budget) -> Iterator[bytes]:
    rest = data
    while rest:
        if not budget.member():
            return
        inflater = zlib.decompressobj(47)
        try:
            body = inflater.decompress(rest, budget.inflated + 1)
        except zlib.error:
            if rest is data:
                budget.note("is broken compressed data")
            yield rest
            return
        if not budget.spend(len(body)):
            yield body
            return
        yield body
        if not inflater.eof:
            budget.note("is compressed data that was cut off")
        rest = inflater.unused_data


def _bz2(data: bytes, budget: Budget) -> Iterator[bytes]:
    import bz2

    yield from _stdlib(bz2.BZ2Decompressor(), data, budget)


def _xz(data: bytes, budget: Budget) -> Iterator[bytes]:
    import lzma

    yield from _stdlib(lzma.LZMADecompressor(memlimit=256 << 20), data, budget)


def _stdlib(inflater: bz2.BZ2Decompressor | lzma.LZMADecompressor, data: bytes, budget: Budget) -> Iterator[bytes]:
    import lzma

    try:
        body = inflater.decompress(data, budget.inflated + 1)
    except (OSError, lzma.LZMAError, EOFError, ValueError):
        budget.note("is broken compressed data")
        return
    budget.spend(len(body))
    yield body
    if inflater.unused_data:
        yield inflater.unused_data


def _pdf(data: bytes, budget: Budget) -> Iterator[bytes]:
    if b"/Encrypt" in data:
        budget.note("is an encrypted PDF")
    glyphs = b"/Identity-H" in data
    for start in _STREAM.finditer(data):
        if not budget.member():
            return
        try:
            stop = data.find(b"endstream", start.end())
            packed = data[start.end() : stop if stop >= 0 else len(data)]
            body = zlib.decompressobj().decompress(packed, min(budget.inflated, 16 << 20))
        except zlib.error:
            continue
        if not budget.spend(len(body)):
            return
        glyphs = glyphs or b"/Identity-H" in body
        if b"TJ" in body or b"Tj" in body:
            yield _pdf_strings(body)
        yield body
    if glyphs:
        budget.note("is a PDF whose text is stored as glyph numbers")


def _pdf_strings(body: bytes) -> bytes:
    """Return the strings that a content stream shows, kerning left out, so that words come whole."""
    out: list[bytes] = []
    for match in _PDF_TEXT.finditer(body):
        text, digits = match.groups()
        if text is not None:
            out.append(re.sub(rb"\\(.)", rb"\1", text, flags=re.DOTALL))
        else:
            digits = re.sub(rb"\s", b"", digits)
            out.append(bytes.fromhex((digits + b"0" * (len(digits) & 1)).decode("ascii")))
        following = body[match.end() : match.end() + 12]
        if b"TJ" in following.split(b"(")[0] or b"Tj" in following.split(b"(")[0]:
            out.append(b"\n")
    return b"".join(out)


READ = frozenset({"zip", "tar", "gzip", "bzip2", "xz", "pdf"})
"""Kinds that are looked into when they are at hand as a whole."""
_READERS: dict[str | None, Callable[[bytes, Budget], Iterator[bytes]]] = {
    "zip": _zip,
    "tar": _tar,
    "gzip": _gzip,
    "bzip2": _bz2,
    "xz": _xz,
    "pdf": _pdf,
}
