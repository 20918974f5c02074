"""Plan and make the cuts: spans, echoes of their cores, what is left of a core beside them.

Everything is planned in units (see ``fragments``), mapped back to leaves, and turned into edits of single
strings. Contract: nothing outside spans changes; no 8-character window of a core stays in its leaf.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from jupyter_qguard.scan.finding import Rule
from jupyter_qguard.scan.fragments import (
    CODE,
    KEY,
    PLAIN_MARKER,
    Bounds,
    Edit,
    Leaf,
    Unit,
    bounds_of,
    kept_joints,
    leaf_edits,
)
from jupyter_qguard.scan.redact_code import apply, choose_forms

WINDOW = 8
ECHO_LENGTH = 16
ECHO_BITS = 3.0
MARKER = re.compile(r"\[REDACTED:[a-z0-9-]{1,80}:[0-9a-f]{8}\]|REDACTED-[a-z0-9-]{1,80}-[0-9a-f]{8}(?![0-9a-f])")

FOUND, ECHO, REST = range(3)


@dataclass(slots=True)
class Hit:
    """One finding's place: [low, high) of a unit's text, its cores likewise."""

    unit: Unit
    low: int
    high: int
    cores: tuple[tuple[int, int], ...]
    rule: Rule

    def core_texts(self) -> list[str]:
        """Return the random parts."""
        return [self.unit.text[low:high] for low, high in self.cores]


@dataclass(slots=True)
class Cut:
    """One range of a unit to remove. ``rank``: a finding, an echo elsewhere, or a rest beside one."""

    unit: Unit
    low: int
    high: int
    rank: int
    rule: Rule
    id8: str
    finding: int


@dataclass(slots=True)
class Piece:
    """One range of a text with its replacement; ``recoded`` is a re-encoded run, else a marker goes there."""

    low: int
    high: int
    cut: Cut
    recoded: str | None = None


@dataclass(slots=True)
class Plan:
    """All cuts, by leaf."""

    cuts: dict[int, list[Cut]] = field(default_factory=dict)
    cores: dict[int, set[str]] = field(default_factory=dict)
    long_cores: set[str] = field(default_factory=set)
    markers: dict[int, list[tuple[int, int]]] = field(default_factory=dict)


def bits_per_char(text: str) -> float:
    """Return the Shannon entropy of the characters of ``text``."""
    total = len(text)
    return -sum(n / total * math.log2(n / total) for n in Counter(text).values()) if total else 0.0


def is_echoing(core: str) -> bool:
    """Return whether copies of ``core`` anywhere in the notebook go too (contract §4)."""
    return len(core) >= ECHO_LENGTH and bits_per_char(core) >= ECHO_BITS


def make_plan(
    hits: Sequence[Hit],
    ids: Sequence[str],
    chosen: Iterable[int],
    units_of: Callable[[], Iterable[Unit]],
    payload_id: Callable[[Unit, Rule], str | None],
) -> Plan:
    """Plan the cuts for the ``chosen`` hits.

    ``units_of`` yields every unit of the content, roots included. ``payload_id`` names the id of what a cut
    in a unit takes as a whole (None: cuts there are exact).
    """
    plan = Plan()
    long: dict[str, tuple[int, str]] = {}
    own: set[tuple[int, int]] = set()
    for index in sorted(chosen):
        hit = hits[index]
        _add(plan, Cut(hit.unit, hit.low, hit.high, FOUND, hit.rule, ids[index], index))
        whole = hit.unit.text[hit.low : hit.high]
        for (low, _high), core in zip(hit.cores, hit.core_texts(), strict=True):
            plan.cores.setdefault(hit.unit.leaf, set()).add(core)
            own.add((id(hit.unit), low))
            if is_echoing(core):
                long.setdefault(core, (index, whole[: low - hit.low]))
    plan.long_cores = set(long)
    finder = Echoes(long)
    units: dict[int, list[Unit]] = {}
    for unit in units_of():
        text = unit.text
        units.setdefault(unit.leaf, []).append(unit)
        if len(text) < ECHO_LENGTH:
            continue
        for at, core in finder.find(text):
            if (id(unit), at) in own:
                continue  # the finding itself
            index, before = long[core]
            low = at - len(before) if before and text.endswith(before, 0, at) else at
            hit = hits[index]
            id8 = payload_id(unit, hit.rule) or ids[index]
            _add(plan, Cut(unit, low, at + len(core), ECHO, hit.rule, id8, index))
            plan.cores.setdefault(unit.leaf, set()).add(core)
    for leaf, cores in plan.cores.items():
        if not plan.cuts.get(leaf):
            continue  # nothing but markers stood there
        owner = plan.cuts[leaf][0]
        windows = windows_of(cores)
        for unit in units.get(leaf, ()):
            for low, high in core_windows(unit.text, windows):
                _add(plan, Cut(unit, low, high, REST, owner.rule, owner.id8, owner.finding))
    return plan


class Echoes:
    """Looks for long cores in texts."""

    def __init__(self, cores: Collection[str]) -> None:
        self._cores = cores
        self._heads: dict[str, list[str]] = {}
        if len(cores) > 200:
            for core in cores:
                self._heads.setdefault(core[:ECHO_LENGTH], []).append(core)

    def find(self, text: str) -> Iterator[tuple[int, str]]:
        """Yield (position, core) of every occurrence in ``text``."""
        if len(text) < ECHO_LENGTH:
            return
        if not self._heads:  # str.find runs at memory speed, a loop over the text does not
            for core in self._cores:
                at = text.find(core)
                while at >= 0:
                    yield at, core
                    at = text.find(core, at + len(core))
            return
        for at in range(len(text) - ECHO_LENGTH + 1):
            for core in self._heads.get(text[at : at + ECHO_LENGTH], ()):
                if text.startswith(core, at):
                    yield at, core


def _add(plan: Plan, cut: Cut) -> None:
    """Add a cut, minus the markers that stand in it already."""
    unit, low = cut.unit, cut.low
    markers = plan.markers.get(id(unit))
    if markers is None:
        found = MARKER.finditer(unit.text) if "REDACTED" in unit.text else ()
        markers = plan.markers[id(unit)] = [match.span() for match in found]
    for start, end in markers[max(0, bisect_right(markers, (low, 0)) - 1) :] if markers else ():
        if start >= cut.high:
            break
        if end <= low:
            continue
        if low < start:
            part = Cut(unit, low, start, cut.rank, cut.rule, cut.id8, cut.finding)
            plan.cuts.setdefault(unit.leaf, []).append(part)
        low = end
    if low < cut.high:
        cut.low = low
        plan.cuts.setdefault(unit.leaf, []).append(cut)


def windows_of(cores: Iterable[str]) -> set[str]:
    """Return every WINDOW characters in a row of ``cores``."""
    return {core[i : i + WINDOW] for core in cores for i in range(len(core) - WINDOW + 1)}


def core_windows(text: str, windows: Collection[str]) -> Iterator[tuple[int, int]]:
    """Yield the ranges of ``text`` that are covered by ``windows`` (of cores); maximal, in order."""
    if not windows or len(text) < WINDOW:
        return
    spots: list[int] = []
    if len(windows) <= 200:  # str.find runs at memory speed, a loop over the text does not
        for window in windows:
            at = text.find(window)
            while at >= 0:
                spots.append(at)
                at = text.find(window, at + 1)
        spots.sort()
    else:
        spots = [i for i in range(len(text) - WINDOW + 1) if text[i : i + WINDOW] in windows]
    low = high = -1
    for spot in spots:
        if spot > high:
            if high >= 0:
                yield low, high
            low = spot
        high = spot + WINDOW
    if high >= 0:
        yield low, high


def marker(cut: Cut, plain: bool) -> str:
    """Return the marker of a cut; ``plain`` where brackets and colons would break what stands around it."""
    if plain or cut.rule.url_password:
        return f"REDACTED-{cut.rule.id}-{cut.id8}"
    return f"[REDACTED:{cut.rule.id}:{cut.id8}]"


def pieces_of(unit: Unit, cuts: Sequence[Cut], plain: bool) -> list[Piece]:
    """Return what changes in ``unit``'s text because of cuts in it and in what was derived from it."""
    here: list[Piece] = []
    children: dict[int, tuple[Unit, list[Cut]]] = {}
    for cut in cuts:
        child, above = cut.unit, cut.unit.parent
        while above is not None and child is not unit and above is not unit:
            child, above = above, above.parent
        if child is unit:
            here.append(Piece(cut.low, cut.high, cut))
        elif above is unit:
            children.setdefault(id(child), (child, []))[1].append(cut)
    for child, below in children.values():
        inner = pieces_of(child, below, plain)
        if child.offsets is not None:
            here += [Piece(*child.offsets.span(p.low, p.high), p.cut, p.recoded) for p in inner]
        elif child.encode is not None:
            text = apply(child.text, [(p.low, p.high, _text(p, plain)) for p in inner])
            here.append(Piece(child.low, child.high, inner[0].cut, child.encode(text)))
        else:
            best = min(inner, key=lambda p: p.cut.rank)
            here.append(Piece(child.low, child.high, best.cut))
    return _merged(here)


def _text(piece: Piece, plain: bool) -> str:
    return marker(piece.cut, plain) if piece.recoded is None else piece.recoded


def _merged(pieces: list[Piece]) -> list[Piece]:
    """Unite overlapping pieces, and rests with what they touch; a finding's marker wins over an echo's."""
    pieces.sort(key=lambda p: (p.low, -p.high, p.recoded is not None, p.cut.rank))
    out: list[Piece] = []
    for piece in pieces:
        last = out[-1] if out else None
        touching = last is not None and piece.low == last.high and REST in (piece.cut.rank, last.cut.rank)
        if last is None or (piece.low >= last.high and not (touching and _is_marker(piece) and _is_marker(last))):
            out.append(piece)
            continue
        if (piece.low, piece.high) == (last.low, last.high) and not (_is_marker(last) or _is_marker(piece)):
            continue  # the same run seen twice (in a text and in a view of it)
        if piece.low >= last.low and piece.high <= last.high and _is_marker(last) and last.cut.rank <= piece.cut.rank:
            continue
        best = last.cut if last.cut.rank <= piece.cut.rank else piece.cut
        out[-1] = Piece(last.low, max(last.high, piece.high), best)
    return out


def _is_marker(piece: Piece) -> bool:
    return piece.recoded is None


@dataclass(slots=True)
class LeafRedaction:
    """What is done to one leaf: replacements in its text, the same as string edits, markers put in."""

    replacements: list[tuple[int, int, str]]
    edits: list[Edit]
    text: str
    widened: list[tuple[int, int]]
    leaf_text: str

    def lost(self, cut: Cut) -> str | None:
        """Return the larger text that went with ``cut`` where a whole string literal had to go."""
        if cut.unit.parent is not None:
            return None
        for low, high in self.widened:
            if low <= cut.low and cut.high <= high:
                return self.leaf_text[low:high]
        return None


def redact_leaf(leaf: Leaf, root: Unit, cuts: Sequence[Cut], python: bool) -> LeafRedaction:
    """Return the changed text of one leaf and the string edits that make it."""
    text, flags = leaf[0], leaf[2]
    plain = bool(flags & PLAIN_MARKER)
    pieces = pieces_of(root, cuts, plain)
    widened: list[tuple[int, int]] = []
    if flags & CODE and not flags & KEY:
        spans = []
        for piece in pieces:
            bare = _text(piece, plain)
            same = piece.recoded is not None or piece.cut.rule.url_password
            spans.append((piece.low, piece.high, bare, bare if same else f'"{bare}"'))
        replacements, wider = choose_forms(text, spans, python=python)
        if wider:
            widened = [(low, high) for low, high, new in replacements if "\n" not in new and "REDACTED" in new]
    else:
        replacements = [(p.low, p.high, _text(p, plain)) for p in pieces]
    bounds = bounds_of(leaf)
    edits = [e for low, high, new in replacements for e in leaf_edits(leaf, low, high, new, bounds)]
    if leaf[4] is not None and leaf[4][1]:  # a traceback: no edit reaches what stands between its strings
        replacements = [_with_joints(leaf, *replacement, bounds) for replacement in replacements]
    return LeafRedaction(replacements, edits, apply(text, replacements), widened, text)


def _with_joints(leaf: Leaf, low: int, high: int, new: str, bounds: Bounds) -> tuple[int, int, str]:
    before, after = kept_joints(leaf, low, high, bounds)
    return low, high, before + new + after
