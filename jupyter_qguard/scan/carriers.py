"""Everything that a leaf's text may carry: other readings of it, and what is encoded in it.

Deriving is decided by the text alone, never by what was found, so that one engine pass sees everything.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pybase64

from jupyter_qguard.scan import binary, images
from jupyter_qguard.scan.binary import Budget
from jupyter_qguard.scan.decode import encode_text
from jupyter_qguard.scan.fragments import CODE, GENERIC, PAYLOAD, RAW, Leaf, Unit
from jupyter_qguard.scan.gates import suspects
from jupyter_qguard.scan.limits import Limits
from jupyter_qguard.scan.views import differs, views

SHORTEST = 24
"""Characters of an encoded run worth decoding: 18 bytes, less than any token by its shape."""
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_-"
_FULL_TABLE = bytes(97 if i in _ALPHABET else 32 for i in range(256))
_TABLE = bytes(97 if i in _ALPHABET and i not in b"_-" else 32 for i in range(256))
"""Runs are looked for without ``-`` and ``_``, which names are full of and encoded ASCII hardly ever has."""
_RUN = b"a" * SHORTEST
_HEX = "0123456789abcdefABCDEF"
_SPLIT = re.compile(r"[A-Za-z0-9]{24,}")
_ASCII_FIRSTS = "ACDIJKLMNOPQRSTUVWXYZabcdef"
_MAGIC_FIRSTS: tuple[str, ...] = ("//", "77u/", "H4sI", "UE", "iVBOR", "/9j/", "R0lG", "Ukl", "Qlpo", "/Td6", "JVBER")
_MAGIC_FIRSTS += ("eJ", "eN", "eA", "KLUv", "N3q8", "UmFy", "gA", "k05V", "U1FM", "iUhE", "__", "_Td6", "_9j_")
_NOT_TEXT = bytes({*range(0x20)} - {9, 10, 13}) + b"\x7f"


@dataclass(slots=True)
class Expansion:
    """What was derived from the leaves, and what could not be.

    ``verified``: leaves that are images as a whole and were looked into; their base64 is not a text.
    ``unchecked``: (leaf, reason, whether a budget was spent).
    """

    units: list[Unit] = field(default_factory=list)
    roots: dict[int, Unit] = field(default_factory=dict)
    verified: set[int] = field(default_factory=set)
    unchecked: list[tuple[int, str, bool]] = field(default_factory=list)

    def root(self, index: int, text: str) -> Unit:
        """Return the one unit of leaf ``index``."""
        unit = self.roots.get(index)
        if unit is None:
            unit = self.roots[index] = Unit(text, index)
        return unit


def expand(leaves: Sequence[Leaf], limits: Limits) -> Expansion:
    """Derive every unit that the leaves carry."""
    expansion = Expansion()
    expander = _Expander(expansion, Budget.of(limits, sum(len(leaf[0]) for leaf in leaves)))
    notes = expander.budget.notes
    plain = [index for index, leaf in enumerate(leaves) if len(leaf[0]) >= 20 and not leaf[2] & (PAYLOAD | RAW)]
    chosen = [plain[i] for i in suspects([leaves[index][0] for index in plain])]
    chosen += [index for index, leaf in enumerate(leaves) if leaf[2] & PAYLOAD and len(leaf[0]) >= 20]
    for index in sorted(chosen):
        text, _link, flags, _cell, _parts, _key = leaves[index]
        if not (flags & PAYLOAD and expander.payload(index, text, flags)):
            shape = text.encode("ascii", "replace").translate(_TABLE)
            code = bool(flags & CODE)
            if _RUN in shape or differs(text, code=code):
                root = expansion.root(index, text)
                root.generic = bool(flags & GENERIC)
                expander.unit(root, code, 0, shape)
        if notes:
            expansion.unchecked += [(index, reason, over) for reason, over in notes]
            notes.clear()
    return expansion


def runs(text: str, shape: bytes) -> Iterator[tuple[int, int]]:
    """Yield [start, end) of runs in the base64 alphabets, padding and equally long wrapped lines included.

    ``shape`` is the text with ``a`` for every character of the plain alphabet and a space for every other.
    """
    at = shape.find(_RUN)
    if at < 0:
        return
    full = text.encode("ascii", "replace").translate(_FULL_TABLE)
    while at >= 0:
        start = full.rfind(b" ", 0, at) + 1
        end = full.find(b" ", at)
        if end < 0:
            end = len(text)
        width = end - start
        while width >= 40 and text.startswith(("\n", "\r\n"), end):  # base64(1) and MIME wrap at 64 or 76
            line = end + (1 if text[end] == "\n" else 2)
            stop = full.find(b" ", line)
            stop = len(text) if stop < 0 else stop
            if stop == line or stop - line > width:
                break
            end = stop
            if stop - line < width:
                break
        while text.startswith("=", end):
            end += 1
        yield start, end
        at = shape.find(_RUN, end)


class _Expander:
    """Adds units to one expansion within one budget."""

    def __init__(self, expansion: Expansion, budget: Budget) -> None:
        self.units = expansion.units
        self.expansion = expansion
        self.budget = budget

    def payload(self, index: int, text: str, flags: int) -> bool:
        """Take a leaf that should be base64 as a whole; False if it is not."""
        bare = text.strip()
        if len(bare) < 12:
            return False
        root = self.expansion.root(index, text)
        root.generic = bool(flags & GENERIC)
        low = text.index(bare[0])
        done = self.base64(root, low, low + len(bare), 0, sure=True)
        if root.quiet:
            self.expansion.verified.add(index)
        return done

    def unit(self, unit: Unit, code: bool, level: int, shape: bytes | None = None, seen: str = "") -> None:
        """Derive everything from one unit's text, and from that in turn. ``seen``: the kinds of view it is."""
        text = unit.text
        if shape is None:
            shape = text.encode("ascii", "replace").translate(_TABLE)
        if level > self.budget.nesting:
            self.budget.note("is encoded too often", over_budget=True)
            return
        for start, end in runs(text, shape):
            if self.budget.candidates <= 0:
                self.budget.note("holds more encoded runs than are looked into", over_budget=True)
                break
            self.budget.candidates -= 1
            self.run(unit, start, end, level)
        if unit.parent is None and len(unit.quiet) == 1 and unit.quiet[0][1] - unit.quiet[0][0] >= len(text.strip()):
            self.expansion.verified.add(unit.leaf)
            return
        if len(seen) == 3:
            return  # escapes in entities in percent signs: no more than three readings deep
        for kind, view, offsets, generic in views(text, code=code):
            if kind in seen:
                continue
            if not self.budget.spend(len(view)):
                return
            child = Unit(view, unit.leaf, parent=unit, offsets=offsets, generic=generic and unit.generic)
            self.units.append(child)
            self.unit(child, code, level + 1, None, seen + kind)

    def run(self, unit: Unit, start: int, end: int, level: int) -> None:
        """Try one run of the base64 alphabet."""
        text = unit.text[start:end]
        if not text.strip(_HEX) and not len(text) % 2 and len(text) >= 32:
            data = bytes.fromhex(text)
            if _looks_like_text(data):
                self.decoded(unit, start, end, data, level, None)
                return
        if _may_be_text(text) and self.base64(unit, start, end, level, sure=False):
            return
        first = text.split("\n", 1)[0].rstrip("\r") if "\n" in text else text
        if len(first) < len(text) and self.base64(unit, start, start + len(first), level, sure=False):
            return
        if len(text) < 4096:  # a path or an assignment in front of the run shifts it
            for part in _SPLIT.finditer(text):
                if part.span() != (0, len(text)) and _may_be_text(part.group()):
                    tail = end if part.end() == len(text.rstrip("=")) else start + part.end()
                    self.base64(unit, start + part.start(), tail, level, sure=False)

    def base64(self, unit: Unit, low: int, high: int, level: int, *, sure: bool) -> bool:
        """Decode [low, high) if it is base64 of something; False if it is not, or of nothing known.

        ``sure``: it stands where base64 belongs, so even unknown bytes are looked into.
        """
        raw = unit.text[low:high]
        compact = raw.replace("\n", "").replace("\r", "") if "\n" in raw else raw
        altchars = b"-_" if "-" in compact or "_" in compact else None
        if altchars and ("+" in compact or "/" in compact):
            return False
        if len(compact) % 4:
            compact = compact.rstrip("=")
            if len(compact) % 4 == 1:
                return False
            compact += "=" * (-len(compact) % 4)
        try:
            if not sure and not _worth(compact, altchars):
                return False
            data = pybase64.b64decode(compact, altchars=altchars, validate=True)
        except ValueError:
            return False
        if not self.budget.spend(len(data)):
            return True
        sides = images.side_data(data)
        if sides is not None:
            unit.quiet.append((low, high))
            for part in sides:
                for text, _ in binary.raw(part):
                    self.whole(unit, low, high, text, level, True)
            return True
        encode = _encoder(raw, altchars)
        if encode is not None and encode(data) != raw:
            encode = None
        if sure or _looks_like_text(data[:64]):
            decoded = binary.as_text(data)
            if decoded is not None:
                self.decoded(unit, low, high, data, level, encode)
                return True
        kind = binary.kind_of(data)
        if kind is None and not sure:
            return False
        for text, as_such in binary.texts(data, self.budget):
            self.whole(unit, low, high, text, level, as_such)
        return True

    def decoded(
        self, unit: Unit, low: int, high: int, data: bytes, level: int, encode: Callable[[bytes], str] | None
    ) -> None:
        """Add the text that a run stands for; with ``encode`` it can be cut and encoded again."""
        decoded = binary.as_text(data)
        if decoded is None:
            return
        text, codec = decoded
        again = None if encode is None else _recoder(encode, codec)
        child = Unit(text, unit.leaf, parent=unit, low=low, high=high, encode=again, generic=unit.generic)
        unit.understood.append((low, high))
        self.units.append(child)
        self.unit(child, False, level + 1)

    def whole(self, unit: Unit, low: int, high: int, text: str, level: int, as_such: bool) -> None:
        """Add a text whose carrier can only go as a whole. Entropy says nothing about binary data."""
        if len(text) < 8 or not self.budget.spend(len(text)):
            return
        child = Unit(text, unit.leaf, parent=unit, low=low, high=high, generic=False)
        self.units.append(child)
        if as_such:
            self.unit(child, False, level + 1)


def _may_be_text(run: str) -> bool:
    """Return whether a run may begin a text or a known format: a cheap test that most long words fail.

    In base64 of ASCII every fourth character stands for six bits of a printable character. A long run may
    be text in another script.
    """
    return not run[0:24:4].strip(_ASCII_FIRSTS) or len(run) >= 200 or run.startswith(_MAGIC_FIRSTS)


def _worth(run: str, altchars: bytes | None) -> bool:
    """Return whether the first bytes look like text or a known format: most long words do not."""
    head = pybase64.b64decode(run[:24], altchars=altchars)
    if _looks_like_text(head) or binary.kind_of(head) is not None or images.starts_like_one(head):
        return True
    return len(run) >= 700 and b"ustar" in pybase64.b64decode(run[340:352], altchars=altchars)  # tar, byte 257


def _looks_like_text(head: bytes) -> bool:
    """Return whether bytes may begin a text in UTF-8 or UTF-16."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    if b"\0" in head:
        head = head[0::2] if not any(head[1::2]) else head[1::2] if not any(head[0::2]) else head
    if len(head.translate(None, _NOT_TEXT)) != len(head):
        return False
    try:
        codecs.utf_8_decode(head, "strict", False)
    except ValueError:
        return False
    return True


def _encoder(raw: str, altchars: bytes | None) -> Callable[[bytes], str] | None:
    """Return how ``raw`` was encoded: alphabet, padding, line length and line ends."""
    padded = raw.endswith("=")
    whole = len(raw.replace("\r", "").replace("\n", ""))
    lines = raw.split("\n")
    ending = "\r\n" if len(lines) > 1 and lines[0].endswith("\r") else "\n"
    width = len(lines[0].rstrip("\r")) if len(lines) > 1 else 0

    def encode(data: bytes) -> str:
        text = pybase64.b64encode(data, altchars=altchars).decode("ascii")
        if not padded and (altchars or whole % 4):
            text = text.rstrip("=")
        if not width:
            return text
        return ending.join(text[i : i + width] for i in range(0, len(text), width))

    return encode


def _recoder(encode: Callable[[bytes], str], codec: str) -> Callable[[str], str]:
    return lambda text: encode(encode_text(text, codec))
