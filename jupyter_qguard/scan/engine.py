"""One pass over everything, exact confirmation at candidates only.

Texts are joined as UTF-8 bytes and searched once for all anchors; each anchor hit is mapped back to its
text, and the exact detector looks only there. See ``detector.py`` for what anchors promise.
"""

from __future__ import annotations

import os
import re
import threading
from bisect import bisect_right
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import accumulate
from pathlib import Path
from typing import Final, Protocol

from .detector import Detector
from .finding import Match, Rule

BATCH: Final = 4 << 20
"""Bytes of UTF-8 searched at a time; bounds the memory for the joined copy. A longer single text is one batch."""
_ORDER: Final = {"provider": 0, "context": 1, "generic": 2}


@dataclass(frozen=True, slots=True)
class EngineHit:
    """One secret in ``texts[index]``; spans in code points of that text. Holds no plaintext."""

    index: int
    rule: Rule
    match: Match


class Finder(Protocol):
    """Finds anchors: the multi-pattern pass."""

    def find(self, data: bytes) -> list[tuple[int, int]]:
        """Return (end offset, pattern index) of anchor matches in ``data``; several ends for one are fine."""
        ...


class Engine:
    """Finds secrets in texts. Thread-safe; holds compiled patterns only, never content."""

    def __init__(
        self, detectors: Sequence[Detector], *, cache_dir: Path | None = None, hyperscan: bool | None = None
    ) -> None:
        """``hyperscan``: None = use it where it can be imported and ``QGUARD_NO_HYPERSCAN`` is not 1."""
        owners: dict[str, list[int]] = {}
        for number, detector in enumerate(detectors):
            for anchor in detector.anchors:
                owners.setdefault(anchor, []).append(number)
        self._detectors = tuple(detectors)
        self._owners = tuple(tuple(numbers) for numbers in owners.values())
        self._generic = tuple(detector.rule.tier == "generic" for detector in detectors)
        self._rank: dict[str, int] = {}
        for detector in detectors:
            self._rank.setdefault(detector.rule.id, len(self._rank))
        self._finder = _finder(tuple(owners), cache_dir, hyperscan)

    @property
    def rules(self) -> frozenset[str]:
        """The ids of the rules this engine can find."""
        return frozenset(self._rank)

    def scan(self, texts: Sequence[str], *, generic: Sequence[bool] | None = None) -> list[EngineHit]:
        """Return the secrets in ``texts``, by text and position, overlaps resolved.

        ``generic[i]`` False means that entropy and keyword rules do not apply to ``texts[i]``. Where hits
        overlap, provider beats context beats generic, then the longer wins. Redaction markers are never hit.
        """
        hits: list[EngineHit] = []
        for first, batch in batches(texts):
            hits.extend(self._batch(texts, first, batch, generic))
        return hits

    def _batch(
        self, texts: Sequence[str], first: int, encoded: list[bytes], generic: Sequence[bool] | None
    ) -> Iterator[EngineHit]:
        found = self._finder.find(b"\n".join((b"", *encoded, b"")))
        if not found:
            return
        starts = list(accumulate((len(data) + 1 for data in encoded), initial=1))
        candidates: dict[int, dict[int, list[int]]] = {}
        for end, pattern in found:
            # An end just past a text (its closing newline was consumed) still belongs to that text.
            position = min(bisect_right(starts, max(end - 1, 1)) - 1, len(encoded) - 1)
            mine = candidates.setdefault(position, {})
            for number in self._owners[pattern]:
                mine.setdefault(number, []).append(end - starts[position])
        for position in sorted(candidates):
            index, mine = first + position, candidates[position]
            if generic is not None and not generic[index]:
                mine = {number: ends for number, ends in mine.items() if not self._generic[number]}
            if mine:
                yield from self._confirm(texts[index], index, encoded[position], mine)

    def _confirm(self, text: str, index: int, data: bytes, candidates: dict[int, list[int]]) -> list[EngineHit]:
        points = _points(text, data, candidates)
        hits: set[EngineHit] = set()
        for number in sorted(candidates):
            detector = self._detectors[number]
            ends = sorted({points[end] if points is not None else min(end, len(text)) for end in candidates[number]})
            hits.update(EngineHit(index, detector.rule, match) for match in detector.near(text, ends))
        return resolve(_without_markers(text, hits, self._rank), self._rank)


def batches(texts: Sequence[str]) -> Iterator[tuple[int, list[bytes]]]:
    """Yield (index of the first text, texts in UTF-8) of at most ``BATCH`` bytes, a longer text alone."""
    first, size = 0, 0
    batch: list[bytes] = []
    for number, text in enumerate(texts):
        data = text.encode("utf-8", "surrogatepass")
        if batch and size + len(data) > BATCH:
            yield first, batch
            first, size, batch = number, 0, []
        batch.append(data)
        size += len(data)
    if batch:
        yield first, batch


def _points(text: str, data: bytes, candidates: dict[int, list[int]]) -> dict[int, int] | None:
    """Map byte offsets to code points; None where both are the same (ASCII)."""
    if text.isascii():
        return None
    points: dict[int, int] = {}
    at = point = 0
    for end in sorted({end for ends in candidates.values() for end in ends}):
        stop = min(end, len(data))
        point += _count(data[at:stop])
        at = max(at, stop)
        points[end] = point
    return points


_CONTINUATION = bytes(range(0x80, 0xC0))


def _count(data: bytes) -> int:
    return len(data.translate(None, _CONTINUATION))


_MARKER = re.compile(r"\[REDACTED:([a-z0-9-]{1,80}):[0-9a-f]{8}\]|REDACTED-([a-z0-9-]{1,80})-[0-9a-f]{8}(?![0-9a-f])")


def _without_markers(text: str, hits: set[EngineHit], rules: Container[str]) -> Iterable[EngineHit]:
    """Drop hits of which, outside markers of known rules, hardly anything is left."""
    if not hits or "REDACTED" not in text:
        return hits
    markers = [m.span() for m in _MARKER.finditer(text) if (m[1] or m[2]) in rules]
    if not markers:
        return hits

    def left(hit: EngineHit) -> int:
        span = hit.match.span
        inside = sum(max(0, min(end, span.end) - max(start, span.start)) for start, end in markers)
        return 99 if inside == 0 else span.end - span.start - inside

    return [hit for hit in hits if left(hit) >= (12 if hit.rule.tier == "generic" else 4)]


def resolve(hits: Iterable[EngineHit], rank: Mapping[str, int] | None = None) -> list[EngineHit]:
    """Keep of overlapping hits of one text the strongest, sorted by position.

    Provider beats context beats generic, then the longer wins, then the rule of the lower ``rank``.
    """
    rank = rank or {}
    kept: list[EngineHit] = []
    starts: list[int] = []
    strongest = sorted(
        hits,
        key=lambda hit: (
            _ORDER[hit.rule.tier],
            hit.match.span.start - hit.match.span.end,
            hit.match.span.start,
            rank.get(hit.rule.id, 0),
            # of two that agree, the one that knows which part is random: copies of that part are looked for
            sum(core.end - core.start for core in hit.match.cores),
            hit.rule.id,
            [(core.start, core.end) for core in hit.match.cores],
        ),
    )
    for hit in strongest:
        span = hit.match.span
        at = bisect_right(starts, span.start)
        if at and kept[at - 1].match.span.end > span.start:
            continue
        if at < len(kept) and kept[at].match.span.start < span.end:
            continue
        kept.insert(at, hit)
        starts.insert(at, span.start)
    return kept


def _finder(anchors: tuple[str, ...], cache_dir: Path | None, hyperscan: bool | None) -> Finder:
    from .engine_fallback import ReFinder

    if hyperscan is None:
        hyperscan = os.environ.get("QGUARD_NO_HYPERSCAN") != "1"
    if hyperscan:
        try:
            from .engine_hyperscan import HyperscanFinder
        except ImportError:
            return ReFinder(anchors)
        return HyperscanFinder(anchors, cache_dir)
    return ReFinder(anchors)


_lock = threading.Lock()
_default: Engine | None = None


def default_engine(cache_dir: Path | None = None) -> Engine:
    """Return the process-wide engine with every rule, built at the first call.

    ``cache_dir`` (used by that first call only) holds the compiled patterns; None = Jupyter's cache folder, if any.
    """
    global _default
    if _default is None:
        with _lock:
            if _default is None:
                from .detectors import all_detectors

                _default = Engine(all_detectors(), cache_dir=cache_dir if cache_dir is not None else usual_cache_dir())
    return _default


def usual_cache_dir() -> Path | None:
    """Return Jupyter's cache folder, None where there is none."""
    try:
        return Path(import_module("jupyter_qguard.paths").cache_dir(os.environ))
    except (ImportError, OSError):
        return None
