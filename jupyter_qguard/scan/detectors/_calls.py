"""Reads the literal arguments of a call from its text, without parsing the cell.

Works in commented-out code, tracebacks, markdown and broken cells, and across lines. Linear: a call is read
for at most ``LIMIT`` characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from ..detector import SMALL, Samples, compiled, windows
from ..finding import Match, Rule, Span

LIMIT = 4000
NEAR = 2000
_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+|\\\r?\n|\.\.\.:?|>>>)
    |(?P<comment>\#)
    |(?P<name>[A-Za-z_]\w{0,60})(?P<assign>\s{0,4}=(?!=))?
    |(?P<quote>\\{0,3}(?:\"\"\"|'''|["'])|&quot;|&\#34;|&\#39;)
    |(?P<open>[(\[{])|(?P<close>[)\]}])|(?P<comma>,)|(?P<plus>\+)|(?P<other>.)""",
    re.X | re.S,
)


@dataclass(slots=True)
class Literal:
    """Adjacent string literals of one argument: their contents' spans, and how deep in brackets they stand."""

    argument: int
    name: str | None
    depth: int
    pieces: list[Span] = field(default_factory=list)

    def value(self, text: str) -> str:
        """Return the joined contents as written (escapes are left alone)."""
        return "".join(text[piece.start : piece.end] for piece in self.pieces)


def literals(text: str, start: int, limit: int = LIMIT, *, comments: bool, deepest: int = LIMIT) -> Iterator[Literal]:
    """Yield the string literals of the call whose opening bracket ends at ``start``.

    ``comments`` True reads comments as code: for calls that are commented out. ``deepest``: how many brackets deep
    to read, outside a keyword argument.
    """
    stop = min(len(text), start + limit)
    depth, argument, name = 1, 0, None
    current: Literal | None = None
    at = start
    while at < stop and depth > 0:
        token = _TOKEN.match(text, at, stop)
        if token is None:
            break
        kind = token.lastgroup
        at = token.end()
        if kind == "space" or (kind == "comment" and comments) or kind == "plus":
            continue
        if kind == "comment":
            line_end = text.find("\n", at, stop)
            at = stop if line_end < 0 else line_end
            continue
        if kind == "quote":
            end = _closing(text, at, stop, token["quote"])
            if end is not None:
                if current is None:
                    current = Literal(argument, name, depth)
                if end > at:
                    current.pieces.append(Span(at, end))
                at = end + len(token["quote"])
                continue
        elif kind == "name" and len(token["name"]) <= 2 and text[at : at + 1] in ("'", '"') and at < stop:
            continue  # a string prefix
        if current is not None:
            yield current
            current = None
        if kind == "open":
            depth += 1
            if depth > deepest and name is None:
                break
        elif kind == "close":
            depth -= 1
        elif kind == "comma" and depth == 1:
            argument, name = argument + 1, None
        elif kind == "assign" and depth == 1:
            name = token["name"]
    if current is not None:
        yield current


def _closing(text: str, at: int, stop: int, quote: str) -> int | None:
    """Return where the literal's contents end, None if it is not closed on its line (or, tripled, at all)."""
    end = at
    while True:
        end = text.find(quote, end, stop)
        if end < 0:
            return None
        if len(quote) < 3 and "\n" in text[at:end]:
            return None
        if quote[0] == "\\" or text[end - 1] != "\\" or end == at:
            return end
        end += 1


@dataclass(frozen=True, slots=True)
class CallDetector:
    """Finds literals handed to a vendor's call.

    ``calls`` maps callee names (a regex each, without the bracket) to the positions that hold a secret; ``keywords``
    is a regex for argument names that do, in any of the calls; ``shape`` what a value must look like in full;
    ``beside`` a word (any case) that must stand within ``NEAR`` code points of the call, for callees with common names.
    """

    rule: Rule
    calls: tuple[tuple[str, tuple[int, ...]], ...]
    keywords: str
    shape: str
    accept_value: Callable[[str, int], bool]
    samples: Samples
    beside: str = ""

    @property
    def anchors(self) -> tuple[str, ...]:
        """One anchor: any of the callees with its opening bracket."""
        return (f"(?:{'|'.join(callee for callee, _ in self.calls)})[ ]{{0,3}}\\(",)

    def matches(self, text: str) -> Iterator[Match]:
        """Yield the secrets of every call in ``text``."""
        return self._between(text, 0, len(text))

    def near(self, text: str, ends: Sequence[int]) -> Iterator[Match]:
        """Yield the secrets of calls that open at ``ends``."""
        if len(text) <= SMALL:
            yield from self._between(text, 0, len(text))
            return
        for low, high in windows(ends, 200, 1, len(text)):
            yield from self._between(text, low, high)

    def _between(self, text: str, low: int, high: int) -> Iterator[Match]:
        names = "|".join(f"(?P<c{number}>{callee})" for number, (callee, _) in enumerate(self.calls))
        clear, nested = low, 0
        for call in compiled(rf"(?<![A-Za-z0-9_])(?:{names})[ ]{{0,3}}\(").finditer(text, low, high):
            if (
                self.beside
                and compiled(f"(?i){self.beside}").search(text, max(0, call.start() - NEAR), call.end() + NEAR) is None
            ):
                continue
            positions = next(p for number, (_, p) in enumerate(self.calls) if call[f"c{number}"] is not None)
            # Calls inside calls are read again: only so far that a long chain of them stays linear.
            nested = nested + 1 if call.start() < clear else 0
            limit = LIMIT if nested < 4 else 200
            deepest = LIMIT if nested < 32 else 3
            clear = max(clear, call.end() + limit)
            seen: set[tuple[int, int]] = set()
            commented = text.find("#", call.end(), call.end() + limit) >= 0
            for comments in (False, True) if commented else (False,):
                for literal in literals(text, call.end(), limit, comments=comments, deepest=deepest):
                    yield from self._judge(text, literal, positions, seen)

    def _judge(
        self, text: str, literal: Literal, positions: tuple[int, ...], seen: set[tuple[int, int]]
    ) -> Iterator[Match]:
        if literal.name is None:
            wanted = literal.argument in positions and literal.depth <= 2
        else:
            wanted = compiled(self.keywords).fullmatch(literal.name) is not None
        if not wanted or not literal.pieces:
            return
        value = literal.value(text)
        if compiled(self.shape).fullmatch(value) is None or not self.accept_value(value, literal.depth):
            return
        for piece in literal.pieces:
            if (piece.start, piece.end) not in seen:
                seen.add((piece.start, piece.end))
                yield Match(piece, (piece,))
