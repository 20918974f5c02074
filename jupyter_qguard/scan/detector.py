"""What a detector is, and the two shapes most of them have.

A detector pairs cheap *anchors* (regexes for one multi-pattern pass over everything) with an
exact, linear check that runs only near an anchor. Anchors follow the common subset of hyperscan
and ``re`` over bytes: ASCII (or escaped bytes), no look-around, no back-references. Each is a
necessary condition: wherever the exact check would match, at least one anchor matches inside or
within ``reach`` of it. A newline stands before and after each text, so an anchor may consume
one character on either side instead of looking around.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from .finding import Match, Rule, Span
from .placeholders import looks_random

Accept = Callable[["re.Match[str]"], bool]

SMALL = 2048
"""Texts up to this many code points are checked whole: cheaper than cutting windows."""


class Detector(Protocol):
    """Finds one rule's secrets in a text. Pure, thread-safe, linear time."""

    @property
    def rule(self) -> Rule:
        """The rule every match of this detector belongs to."""
        ...

    @property
    def anchors(self) -> tuple[str, ...]:
        """Regexes of which at least one matches near every secret this detector finds."""
        ...

    @property
    def samples(self) -> Samples:
        """Templates (see ``detectors/_samples.py``) that must and must not be found."""
        ...

    def matches(self, text: str) -> Iterable[Match]:
        """Yield every whole secret in ``text`` with its cores, in code points."""
        ...

    def near(self, text: str, ends: Sequence[int]) -> Iterable[Match]:
        """As ``matches``, but only around the sorted anchor end offsets ``ends`` (code points)."""
        ...


@dataclass(frozen=True, slots=True)
class Samples:
    """Templates that a rule must find (with ``⟦span⟧`` marked) and must leave alone."""

    true: tuple[str, ...] = ()
    false: tuple[str, ...] = ()


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """Compile on first use: most rules never meet a candidate, and compiling is slow."""
    return re.compile(pattern)


def windows(ends: Sequence[int], before: int, after: int, length: int) -> Iterator[tuple[int, int]]:
    """Merge the regions ``[end - before, end + after)`` of sorted ``ends``, clipped to the text."""
    low, high = -1, -1
    for end in ends:
        start, stop = max(0, end - before), min(length, end + after)
        if start <= high:
            high = stop
            continue
        if high >= 0:
            yield low, high
        low, high = start, stop
    if high >= 0:
        yield low, high


def random_value(match: re.Match[str]) -> bool:
    """Accept a match whose span looks random: no long runs, no sequences, enough different characters."""
    return looks_random(match["span"] if "span" in match.re.groupindex else match[0])


@dataclass(frozen=True, slots=True)
class TokenDetector:
    """A regex over the text, confirmed by ``accept``.

    ``pattern`` may name a group ``span`` (what to hide; else the whole match) and groups whose names start
    with ``core`` (its random part; else the whole span). ``reach`` gives how many code points before
    and after the end of an anchor a match may begin and end; longer matches grow the window.
    """

    rule: Rule
    anchors: tuple[str, ...]
    pattern: str
    accept: Accept = random_value
    reach: tuple[int, int] = (400, 600)
    samples: Samples = Samples()

    def matches(self, text: str) -> Iterator[Match]:
        """Yield every match in ``text``."""
        return self._between(text, 0, len(text))

    def near(self, text: str, ends: Sequence[int]) -> Iterator[Match]:
        """Yield the matches around ``ends``."""
        for low, high in windows(ends, *self.reach, len(text)):
            yield from self._between(text, low, high)

    def _between(self, text: str, low: int, high: int) -> Iterator[Match]:
        regex = compiled(self.pattern)
        at = low
        while (found := regex.search(text, at, high)) is not None:
            match = found
            stop = high
            # A match that touches the window's edge may go on, or be refused by what follows: look further.
            while match.end() == stop and stop < len(text):
                stop = min(len(text), stop + 2 * (stop - match.start()) + 64)
                wider = regex.match(text, found.start(), stop)
                if wider is None:
                    break
                match = wider
            else:
                if self.accept(match):
                    yield to_match(match)
            at = max(match.end(), found.start() + 1)


def to_match(match: re.Match[str]) -> Match:
    """Turn a regex match into span and cores by its named groups."""
    names = match.re.groupindex
    span = Span(*match.span("span")) if "span" in names else Span(*match.span())
    cores = tuple(
        Span(*match.span(name)) for name in names if name.startswith("core") and match.start(name) < match.end(name)
    )
    return Match(span, cores or (span,))
