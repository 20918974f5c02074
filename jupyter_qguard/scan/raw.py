"""Where a finding stands in the file as it lies on disk: the line that an editor or a code host can show.

A finding's own line and column count in the text of its field. In a notebook that text is a JSON string, or a
list of them, somewhere in a file of which people see the raw lines.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from jupyter_qguard.scan.fragments import Bounds, Component, Edit, Leaf, bounds_of, leaf_edits
from jupyter_qguard.scan.judge import climb
from jupyter_qguard.scan.redact import Hit
from jupyter_qguard.scan.splice import literals, offsets_in_literals

_Key = tuple[tuple[Component, ...], bool]


@dataclass(frozen=True, slots=True)
class Region:
    """A stretch of a file's text: 1-based lines (ended by LF) and columns in code points; the end is exclusive.

    A byte order mark counts as no column.
    """

    line: int
    column: int
    end_line: int
    end_column: int


def text_regions(text: str, leaves: Sequence[Leaf], hits: Sequence[Hit]) -> list[Region | None]:
    """Return the region of each hit in a plain text, which is its own only leaf."""
    lines = _Lines(text)
    return [lines.region(*_in_leaf(hit)) for hit in hits] if leaves else []


def notebook_regions(text: str, leaves: Sequence[Leaf], hits: Sequence[Hit]) -> list[Region | None]:
    """Return the region of each hit in a notebook's JSON ``text``; None where its string is not in the text.

    What stands in several strings of a list runs from the first of them to the last.
    """
    bounds: dict[int, Bounds] = {}
    ends: list[tuple[Edit, Edit] | None] = []
    for hit in hits:
        index = hit.unit.leaf
        if index not in bounds:
            bounds[index] = bounds_of(leaves[index])
        edits = leaf_edits(leaves[index], *_in_leaf(hit), "", bounds[index])
        ends.append((edits[0], edits[-1]) if edits else None)
    wanted = {(edit.path, edit.is_key) for pair in ends if pair for edit in pair}
    found = _literals(text, wanted)
    offsets = offsets_in_literals(text, set(found.values()))
    lines = _Lines(text)
    out: list[Region | None] = []
    for pair in ends:
        first, last = (found.get((edit.path, edit.is_key)) for edit in pair) if pair else (None, None)
        if pair is None or first is None or last is None:
            out.append(None)
            continue
        low, high = _at(offsets[first], pair[0].start), _at(offsets[last], pair[1].end)
        out.append(lines.region(low, max(low, high)))
    return out


def _at(offsets: Sequence[int], index: int) -> int:
    return offsets[min(index, len(offsets) - 1)]


def _in_leaf(hit: Hit) -> tuple[int, int]:
    """Return where a hit stands in its leaf's text, whatever it was decoded from."""
    return climb(hit.unit, hit.low, hit.high, lambda _: False)


def _literals(text: str, wanted: set[_Key]) -> dict[_Key, tuple[int, int]]:
    """Return (start, end) of the wanted string literals, quotes included; stops reading when it has all."""
    found: dict[_Key, tuple[int, int]] = {}
    if not wanted:
        return found
    for path, is_key, start, end in literals(text):
        if (path, is_key) in wanted:
            found[path, is_key] = (start, end)
            if len(found) == len(wanted):
                break
    return found


class _Lines:
    """Offsets of one text as lines and columns; the line ends are looked for once."""

    def __init__(self, text: str) -> None:
        self._ends = [match.start() for match in re.finditer("\n", text)]
        self._mark = int(text.startswith("\ufeff"))

    def region(self, low: int, high: int) -> Region:
        return Region(*self._at(low), *self._at(high))

    def _at(self, offset: int) -> tuple[int, int]:
        line = bisect_left(self._ends, offset)
        column = offset - (self._ends[line - 1] if line else self._mark - 1)
        return line + 1, max(1, column)
