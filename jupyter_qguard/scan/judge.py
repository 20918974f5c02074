"""Leaves in, hits out: derive what they carry, ask the engine once, resolve what it says about one place."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from jupyter_qguard.scan.carriers import Expansion, expand
from jupyter_qguard.scan.finding import Match, Rule
from jupyter_qguard.scan.fragments import GENERIC, Leaf, Unit, span_in, whole_run
from jupyter_qguard.scan.limits import Limits
from jupyter_qguard.scan.redact import Hit

_TIER = {"provider": 0, "context": 1, "generic": 2}


class EngineHit(Protocol):
    """What an engine yields: see ``engine.EngineHit``."""

    @property
    def index(self) -> int: ...
    @property
    def rule(self) -> Rule: ...
    @property
    def match(self) -> Match: ...


class TextEngine(Protocol):
    """Finds secrets in texts: see ``engine.Engine.scan``."""

    def scan(self, texts: Sequence[str], *, generic: Sequence[bool] | None = None) -> Sequence[EngineHit]: ...


@dataclass(slots=True)
class Judged:
    """What was derived from the leaves and what was found in all of it."""

    leaves: list[Leaf]
    expansion: Expansion
    hits: list[Hit]

    def root(self, index: int) -> Unit:
        """Return the unit of a leaf as it stands, made on demand: most leaves never need one."""
        return self.expansion.root(index, self.leaves[index][0])

    def units(self) -> Iterator[Unit]:
        """Yield every unit: leaves as they stand (verified images left out), then what was derived."""
        for index in range(len(self.leaves)):
            if index not in self.expansion.verified:
                yield self.root(index)
        yield from self.expansion.units


def judge(leaves: list[Leaf], engine: TextEngine, limits: Limits) -> Judged:
    """Scan ``leaves`` and everything they carry; hits come sorted by leaf and position."""
    expansion = expand(leaves, limits)
    verified = expansion.verified
    texts: list[str] = []
    generic: list[bool] = []
    index_of: list[int] = []
    for index, (text, _link, flags, _cell, _parts, key) in enumerate(leaves):
        if verified and index in verified:
            continue
        texts.append(text if key is None else f'"{key}": "{text}"')
        generic.append(bool(flags & GENERIC))
        index_of.append(index)
    count = len(texts)
    for unit in expansion.units:
        texts.append(unit.text)
        generic.append(unit.generic)
    judged = Judged(leaves, expansion, [])
    found: dict[int, list[Hit]] = {}
    for hit in engine.scan(texts, generic=generic):
        if hit.index < count:
            index = index_of[hit.index]
            leaf = leaves[index]
            prefix = 0 if leaf[5] is None else len(leaf[5]) + 5
            unit, low, high = judged.root(index), prefix, prefix + len(leaf[0])
        else:
            unit = expansion.units[hit.index - count]
            low, high = 0, len(unit.text)
        span = span_in(hit.match.span, low, high)
        if span is None:
            continue
        cores = tuple(core for core in (span_in(c, low, high) for c in hit.match.cores) if core is not None)
        found.setdefault(unit.leaf, []).append(Hit(unit, *span, cores, hit.rule))
    for index in sorted(found):
        judged.hits += _resolve(found[index])
    return judged


def frame(unit: Unit) -> Unit:
    """Return the nearest carrier (or root) above ``unit`` whose text it shows, through views."""
    while unit.offsets is not None and unit.parent is not None:
        unit = unit.parent
    return unit


def climb(unit: Unit, low: int, high: int, stop: Callable[[Unit], bool]) -> tuple[int, int]:
    """Map [low, high) up to the first unit for which ``stop`` holds."""
    while unit.parent is not None and not stop(unit):
        low, high = unit.to_parent(low, high)
        unit = unit.parent
    return low, high


@dataclass(slots=True)
class _Placed:
    hit: Hit
    frame: Unit
    low: int
    high: int
    depth: int


def _resolve(hits: list[Hit]) -> list[Hit]:
    """Drop what another hit at the same place says better; sort by position in the leaf."""
    placed: list[_Placed] = []
    taken: set[tuple[int, int, str, str]] = set()
    for hit in hits:
        run = whole_run(hit.unit)
        if run is not None:  # an archive shows the same text several ways, and goes once
            entry = (id(run.parent), run.low, hit.rule.id, hit.unit.text[hit.low : hit.high])
            if entry in taken:
                continue
            taken.add(entry)
        home = frame(hit.unit)
        low, high = climb(hit.unit, hit.low, hit.high, lambda unit, home=home: unit is home)  # type: ignore[misc]
        if _noise(hit, home, low, high):
            continue
        depth, above = 0, home.parent
        while above is not None:
            depth, above = depth + 1, above.parent
        placed.append(_Placed(hit, home, low, high, depth))
    if len({id(one.hit.unit) for one in placed}) > 1:  # within one text the engine has resolved already
        placed.sort(key=lambda p: (_TIER[p.hit.rule.tier], p.depth, p.low - p.high, p.hit.unit.parent is not None))
        placed = _strongest(placed)
    placed.sort(key=lambda p: (climb(p.frame, p.low, p.high, lambda _unit: False), p.depth, p.low))
    return [p.hit for p in placed]


def _strongest(placed: list[_Placed]) -> list[_Placed]:
    """Keep, of hits sorted strongest first, those that say something new."""
    said: dict[int, _Ranges] = {}  # per frame: where kept hits stand
    inside: dict[int, _Ranges] = {}  # per frame: the carriers in which kept hits stand deeper down
    kept: list[_Placed] = []
    for one in placed:
        generic = one.hit.rule.tier == "generic"
        chain = list(_chain(one))
        if any(_said(said.get(id(unit)), low, high, generic) for unit, low, high in chain):
            continue
        # Entropy in the encoded form of what is understood says nothing.
        if generic and _said(inside.get(id(one.frame)), one.low, one.high, generic):
            continue
        kept.append(one)
        said.setdefault(id(one.frame), _Ranges()).add(one.low, one.high)
        for unit, low, high in chain[1:]:
            inside.setdefault(id(unit), _Ranges()).add(low, high)
    return kept


def _chain(one: _Placed) -> Iterator[tuple[Unit, int, int]]:
    """Yield where a hit stands in its frame and in everything around that."""
    unit, low, high = one.frame, one.low, one.high
    yield unit, low, high
    while unit.parent is not None:
        low, high = unit.to_parent(low, high)
        unit = unit.parent
        yield unit, low, high


def _said(ranges: _Ranges | None, low: int, high: int, generic: bool) -> bool:
    return ranges is not None and (ranges.touches(low, high) if generic else ranges.cover(low, high))


class _Ranges:
    """Ranges of one text, looked up by position; a hostile text holds thousands."""

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int]] = []
        self._longest = 0

    def add(self, low: int, high: int) -> None:
        insort(self._ranges, (low, high))
        self._longest = max(self._longest, high - low)

    def _near(self, low: int, high: int) -> Iterator[tuple[int, int]]:
        first = bisect_left(self._ranges, (low - self._longest, 0))
        for i in range(first, len(self._ranges)):
            if self._ranges[i][0] >= high:
                return
            yield self._ranges[i]

    def cover(self, low: int, high: int) -> bool:
        """Return whether one range contains [low, high)."""
        return any(a <= low and high <= b for a, b in self._near(low, high))

    def touches(self, low: int, high: int) -> bool:
        """Return whether one range overlaps [low, high)."""
        return any(b > low for _, b in self._near(low, high))


def _noise(hit: Hit, home: Unit, low: int, high: int) -> bool:
    """Whether the hit stands in a verified image's base64, or is entropy in a run decoded to text."""
    if any(a <= low and high <= b for a, b in home.quiet):
        return True
    return hit.rule.tier == "generic" and any(low < b and a < high for a, b in home.understood)
