"""Addressed text: what a walk yields, what the engine is handed, and the way back to the string leaf.

A *leaf* is one text of the notebook (a string, or a list of strings that a reader joins). It is a plain
tuple, because a large notebook has tens of thousands of them and a clean one must cost nothing more.
A *unit* is one text handed to the engine: a leaf as it stands, or something decoded from it. A unit knows
its parent and how its offsets map back, so that whatever is found can be cut out of the leaf.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from jupyter_qguard.scan.finding import Content, Span

Component = str | int | tuple[str, int]
"""One step of a path. ``(key, n)`` is the n-th (from 0) occurrence of a key that its object repeats."""
Link = tuple[Any, Component] | None
"""A path as a chain ``(parent link, component)``: sharing makes it one small tuple per step."""
Parts = tuple[Sequence[Any], str]
"""A list whose strings were joined to a leaf's text, and what stands between them there."""

# Bits of a leaf's flags.
CONTENT: tuple[Content, ...] = ("source", "output", "metadata", "text")
SOURCE, OUTPUT, METADATA, TEXT = range(4)
CONTENT_MASK = 3
GENERIC = 4  # entropy and keyword rules apply
KEY = 8  # the text is the dict key that the link ends in
CODE = 16  # program text in the notebook's language
PAYLOAD = 32  # may be base64 as a whole (images, attachments, other MIME types)
RAW = 128  # the printable bytes of binary data, all else blank: searched as it stands, never read another way
PLAIN_MARKER = 64  # brackets and colons would break the format here (cell ids, MIME types)


@dataclass(slots=True)
class Cell:
    """What the leaves of one cell share. ``strip`` is how many path components lead to the cell."""

    index: int | None
    id: str | None
    strip: int
    link: Link


Leaf = tuple[str, Link, int, Cell, Parts | None, str | None]
"""(text, link, flags, cell, parts of a joined list, key that gives the value its context)."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace [start, end) of one string literal: the string at ``path``, or the key that it ends in."""

    path: tuple[Component, ...]
    is_key: bool
    start: int
    end: int
    replacement: str


def path_of(link: Link) -> tuple[Component, ...]:
    """Return the components from the root down to ``link``."""
    out: list[Component] = []
    while link is not None:
        out.append(link[1])
        link = link[0]
    out.reverse()
    return tuple(out)


def render_field(link: Link, strip: int, masked: set[int], secret: Callable[[str], bool]) -> str | None:
    """Return the field path below the first ``strip`` components, None at the root.

    A key is shown as ``<key>`` if ``masked`` holds the ``id()`` of its link (it has a finding), or if ``secret``
    says that it shows part of one.
    """
    chain: list[Link] = []
    while link is not None:
        chain.append(link)
        link = link[0]
    chain.reverse()
    chain = chain[strip:]
    if chain and chain[0] is not None and chain[0][1] == "attachments":
        chain = chain[:2]  # an attachment is one field, whatever its MIME type
    out: list[str] = []
    for step in chain:
        if step is None:
            continue
        component = step[1]
        if isinstance(component, int):
            out.append(f"[{component}]")
            continue
        name = str(component[0] if isinstance(component, tuple) else component)
        if id(step) in masked or secret(name):
            name = "<key>"
        out.append(f".{name}" if out else name)
    return "".join(out) or None


Segment = tuple[int, int, int, int]
"""(start, length) in a derived text that came from (source, width) in its parent's."""


class OffsetMap:
    """Offsets of a derived text back to its parent's; worked out when first asked, which is rarely.

    Segments of equal length and width are copies and map one to one. Others stand for something longer
    (an entity, an escape): their first offset maps to its beginning and their last to its end.
    """

    __slots__ = ("_lengths", "_segments", "_sources", "_starts", "_widths")

    def __init__(self, segments: Callable[[], Iterable[Segment]]) -> None:
        self._segments: Callable[[], Iterable[Segment]] | None = segments
        self._starts: tuple[int, ...] = ()
        self._lengths: tuple[int, ...] = ()
        self._sources: tuple[int, ...] = ()
        self._widths: tuple[int, ...] = ()

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the parent's half-open range that produced the non-empty [start, end)."""
        if self._segments is not None:
            self._starts, self._lengths, self._sources, self._widths = zip(*self._segments(), strict=True)
            self._segments = None
        i = bisect_right(self._starts, start) - 1
        j = bisect_right(self._starts, end - 1) - 1
        low = self._sources[i]
        if self._lengths[i] == self._widths[i]:
            low += start - self._starts[i]
        high = self._sources[j] + self._widths[j]
        if self._lengths[j] == self._widths[j]:
            high -= self._starts[j] + self._lengths[j] - end
        return low, high


class Unit:
    """One text for the engine. Exactly one of these ways leads back to the parent:

    * a root has no parent; its text is the leaf's;
    * ``offsets``: a view that maps character by character;
    * ``encode``: the run [low, high) of the parent is this text encoded, and can be encoded again;
    * neither: the run [low, high) can only be removed whole.
    """

    __slots__ = (
        "encode",
        "generic",
        "high",
        "leaf",
        "low",
        "offsets",
        "parent",
        "prefix",
        "quiet",
        "text",
        "understood",
    )

    def __init__(
        self,
        text: str,
        leaf: int,
        *,
        parent: Unit | None = None,
        low: int = 0,
        high: int = 0,
        offsets: OffsetMap | None = None,
        encode: Callable[[str], str] | None = None,
        generic: bool = True,
    ) -> None:
        self.text = text
        self.leaf = leaf
        self.parent = parent
        self.low = low
        self.high = high
        self.offsets = offsets
        self.encode = encode
        self.generic = generic
        self.prefix = 0
        self.quiet: list[tuple[int, int]] = []  # runs verified to be images: what matches inside is noise
        self.understood: list[tuple[int, int]] = []  # decoded to text: their encoded form proves nothing

    @property
    def whole(self) -> bool:
        """Whether the carrier can only be removed as a whole."""
        return self.parent is not None and self.offsets is None and self.encode is None

    def to_parent(self, start: int, end: int) -> tuple[int, int]:
        """Return where [start, end) of this text lies in the parent's text."""
        if self.offsets is not None:
            return self.offsets.span(start, end)
        return self.low, self.high


def locate(text: str, offset: int) -> tuple[int, int]:
    """Return the 1-based line and column (code points) of ``offset``."""
    line = text.count("\n", 0, offset) + 1
    return line, offset - (text.rfind("\n", 0, offset) + 1) + 1


Bounds = list[tuple[int, int, int]]
"""(end, begin, index) of each string of a joined list in the leaf's text, in order."""


def bounds_of(leaf: Leaf) -> Bounds:
    """Return where the strings of a leaf's list stand; empty where the leaf is one string."""
    if leaf[4] is None:
        return []
    values, joint = leaf[4]
    out: Bounds = []
    at = 0
    for i, value in enumerate(values):
        if isinstance(value, str):
            out.append((at + len(value), at, i))
            at += len(value) + len(joint)
    return out


def leaf_edits(leaf: Leaf, start: int, end: int, replacement: str, bounds: Bounds) -> list[Edit]:
    """Return the edits of single strings that replace [start, end) of a leaf's text.

    In a joined list the replacement goes where the range begins; the rest of the range is cut from
    the strings that follow. Joints that belong to no string (the line ends of a traceback) stay.
    ``bounds`` are the leaf's: many edits of one long list would else each go through all of it.
    """
    link, flags, parts = leaf[1], leaf[2], leaf[4]
    if parts is None:
        return [Edit(path_of(link), bool(flags & KEY), start, end, replacement)]
    out: list[Edit] = []
    for n in range(bisect_left(bounds, (start, -1, -1)), len(bounds)):
        stop, begin, i = bounds[n]
        if begin >= end and (out or end > start):
            break
        low, high = max(start, begin), min(end, stop)
        if high > low or (high == low and start == end):
            out.append(Edit(path_of((link, i)), False, low - begin, high - begin, "" if out else replacement))
            if start == end:
                break
    return out


def kept_joints(leaf: Leaf, start: int, end: int, bounds: Bounds) -> tuple[str, str]:
    """Return the joints in [start, end) of a leaf's text that stay: before and after where :func:`leaf_edits` puts
    the replacement."""
    if leaf[4] is None or not leaf[4][1]:
        return "", ""
    kept = ["", ""]
    placed = 0
    for n in range(bisect_left(bounds, (start, -1, -1)), len(bounds) - 1):
        stop, begin, _ = bounds[n]
        if stop >= end:
            break
        if max(start, begin) < min(end, stop):
            placed = 1
        kept[placed] += leaf[0][max(start, stop) : min(end, bounds[n + 1][1])]
    return kept[0], kept[1]


def span_in(span: Span, low: int, high: int) -> tuple[int, int] | None:
    """Return ``span`` shifted to a value at [low, high) and clipped to it; None if it lies outside."""
    start, end = max(span.start, low), min(span.end, high)
    return (start - low, end - low) if start < end else None


def whole_run(unit: Unit | None) -> Unit | None:
    """Return the outermost carrier around ``unit`` that can only be removed whole, if any."""
    found = None
    while unit is not None:
        if unit.whole:
            found = unit
        unit = unit.parent
    return found


def run_text(unit: Unit) -> str:
    """Return what a carrier looks like in its parent's text."""
    return unit.text if unit.parent is None else unit.parent.text[unit.low : unit.high]


def text_home(unit: Unit, leaf_text: str) -> Unit:
    """Return the unit whose lines and columns a reader would count.

    That is the leaf, or, where the whole leaf is one encoded text, that text decoded.
    """
    chain = [unit]
    while chain[-1].parent is not None:
        chain.append(chain[-1].parent)
    home = chain.pop()
    if chain:
        first = chain[-1]
        covers = len(leaf_text.strip()) <= first.high - first.low
        if first.encode is not None and covers:
            home = first
    return home
