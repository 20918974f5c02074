"""Which form a marker takes in program text, so that what parsed before parses after.

Bare inside a string or comment, quoted where it must be an expression. Python is asked its own parser;
for other languages, and for Python that does not parse anyway, whether the span stands in quotes decides.
"""

from __future__ import annotations

import ast
import io
import re
import threading
import tokenize
import warnings
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence

Replacement = tuple[int, int, str]
"""(start, end, text): replace [start, end) by text."""

_MAGIC_LINE = re.compile(r"^([ \t]*)(?:([\w.,\[\] ]+=\s*)?[%!]|\?|.*\?\?? *$)")
_PYTHON_CELLS = (
    "time",
    "timeit",
    "capture",
    "prun",
    "memit",
    "mprun",
    "lprun",
    "python",
    "python3",
    "ipytest",
    "debug",
)
_PROSE_CELLS = ("html", "HTML", "markdown", "latex", "svg", "SVG", "writefile", "file")
_FEW = 32
"""Spans of one cell up to which each is tried in place; beyond, its tokens decide."""
_lock = threading.Lock()
MOST_PARSED = 200_000
"""Characters of a cell. A longer one is not parsed (that takes seconds and 400 times its size): quotes decide."""


def parses(text: str) -> bool:
    """Return whether ``text`` is Python that a notebook would run, IPython's own syntax blanked out."""
    return _compiles(text) or _compiles(_without_magics(text))


def _compiles(text: str) -> bool:
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    try:
        # The filter is global to the process, hence the lock; a warning must not become an error here.
        with _lock, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, "<cell>", "exec", flags, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return False
    return True


def _without_magics(text: str) -> str:
    """Blank out IPython's magics, shell lines and help, keeping the line structure."""
    lines = text.split("\n")
    out: list[str] = []
    first = next((i for i, line in enumerate(lines) if line.strip()), 0)
    continued = False  # a magic or shell line goes on after a backslash
    for i, line in enumerate(lines):
        match = _MAGIC_LINE.match(line)
        if continued:
            out.append("")
        elif i == first and line.startswith("%%"):
            words = line[2:].split()
            if words and words[0] not in _PYTHON_CELLS:
                return "\x00"  # another language: never Python
            out.append("")
        elif match is not None:
            out.append(f"{match[1]}{match[2]}None" if match[2] else f"{match[1]}pass")
        else:
            out.append(line)
            continue
        continued = line.endswith("\\")
    return "\n".join(out)


def in_quotes(text: str, start: int) -> bool:
    """Return whether ``start`` lies inside a quoted string or a ``#`` comment of its line."""
    quote, i = "", text.rfind("\n", 0, start) + 1
    while i < start:
        char = text[i]
        if char == "\\":
            i += 1
        elif quote:
            if char == quote:
                quote = ""
        elif char in "\"'`":
            quote = char
        elif char == "#":
            return True
        i += 1
    return bool(quote)


def choose_forms(
    text: str, spans: Sequence[tuple[int, int, str, str]], *, python: bool
) -> tuple[list[Replacement], bool]:
    """Pick a form for every span and return replacements for the whole cell.

    ``spans`` are (start, end, bare, quoted), sorted and apart. The second value tells whether more than
    the spans had to change (a string literal replaced, a statement turned into a comment).
    """
    if not (python and len(text) <= MOST_PARSED and parses(text)):
        prose = (
            text.lstrip().startswith("%%")
            and text.lstrip()[2:].split()[:1]
            and (text.lstrip()[2:].split()[0] in _PROSE_CELLS)
        )
        return [
            (start, end, bare if prose or in_quotes(text, start) else quoted) for start, end, bare, quoted in spans
        ], False
    chosen = _forms(text, spans)
    if parses(apply(text, chosen)):
        return chosen, False
    for attempt in (_strings, _statements):
        wider = attempt(text, spans)
        if wider is not None and parses(apply(text, wider)):
            return wider, True
    comment = "\n".join(f"# {line}" for line in apply(text, chosen).split("\n"))
    return [(0, len(text), comment)], True


def _forms(text: str, spans: Sequence[tuple[int, int, str, str]]) -> list[Replacement]:
    """Return each span with its likely form, without parsing the cell once for each of very many spans."""
    chosen = [(start, end, bare) for start, end, bare, _ in spans]
    if len(spans) > 1 and parses(apply(text, chosen)):
        return chosen
    if len(spans) <= _FEW:
        return [
            (start, end, bare if bare == quoted or parses(text[:start] + bare + text[end:]) else quoted)
            for start, end, bare, quoted in spans
        ]
    tokens = _tokens(text, (tokenize.STRING, tokenize.COMMENT)) or []
    return [
        (start, end, bare if any(a < start and end <= b for a, b in _touched(tokens, start, end)) else quoted)
        for start, end, bare, quoted in spans
    ]


def apply(text: str, replacements: Sequence[Replacement]) -> str:
    """Return ``text`` with sorted, non-overlapping replacements made."""
    out: list[str] = []
    at = 0
    for start, end, new in replacements:
        out += (text[at:start], new)
        at = end
    out.append(text[at:])
    return "".join(out)


def _strings(text: str, spans: Sequence[tuple[int, int, str, str]]) -> list[Replacement] | None:
    """Replace every string token that a span touches by the quoted marker."""
    tokens = _tokens(text, (tokenize.STRING,))
    if tokens is None:
        return None
    out: list[Replacement] = []
    for start, end, _bare, quoted in spans:
        touched = _touched(tokens, start, end)
        low = min([start, *(t[0] for t in touched)])
        high = max([end, *(t[1] for t in touched)])
        _merge(out, low, high, quoted)
    return out


def _tokens(text: str, kinds: Collection[int]) -> list[tuple[int, int]] | None:
    """Return the [start, end) of all tokens of some ``kinds``, in order; None if that cannot be told."""
    source = text if _compiles(text) else _without_magics(text)
    if source is not text and source.count("\n") != text.count("\n"):
        return None
    starts = _line_starts(text)
    tokens: list[tuple[int, int]] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type in kinds:
                (row, column), (end_row, end_column) = token.start, token.end
                tokens.append((starts[row - 1] + column, starts[end_row - 1] + end_column))
    except (tokenize.TokenError, SyntaxError, IndexError):
        return None
    return tokens


def _touched(tokens: Sequence[tuple[int, int]], start: int, end: int) -> Sequence[tuple[int, int]]:
    """Return those of sorted, separate ``tokens`` that overlap [start, end)."""
    first = bisect_right(tokens, start, key=lambda token: token[1])
    return tokens[first : bisect_left(tokens, end, key=lambda token: token[0])]


def _statements(text: str, spans: Sequence[tuple[int, int, str, str]]) -> list[Replacement] | None:
    """Turn the statements that spans touch into comments, leaving ``pass`` in their place."""
    source = text if _compiles(text) else _without_magics(text)
    try:
        with _lock, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = compile(
                source, "<cell>", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True
            )
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    starts = _line_starts(text)
    ranges: list[tuple[int, int]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt) and node.end_lineno is not None:
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
            ranges.append((starts[first - 1], starts[node.end_lineno] - 1))
    ranges.sort(key=lambda r: r[1] - r[0])
    groups: dict[tuple[int, int], list[Replacement]] = {}
    for start, end, bare, _quoted in spans:
        home = next((r for r in ranges if r[0] <= start and end <= r[1]), None)
        if home is None:
            return None
        groups.setdefault(home, []).append((start, end, bare))
    out: list[Replacement] = []
    for (low, high), inner in sorted(groups.items(), key=lambda item: item[0][0] - item[0][1]):
        if any(a <= low and high <= b for a, b, _ in out):
            return None  # nested statements: the caller comments the whole cell out
        body = apply(text[low:high], [(s - low, e - low, m) for s, e, m in inner])
        indent = body[: len(body) - len(body.lstrip(" \t"))]
        commented = "\n".join(f"{indent}# {line.strip()}" for line in body.split("\n"))
        out.append((low, high, f"{indent}pass\n{commented}"))
    return sorted(out)


def _merge(out: list[Replacement], low: int, high: int, new: str) -> None:
    if out and low < out[-1][1]:
        start, end, kept = out.pop()
        out.append((start, max(end, high), kept))
    else:
        out.append((low, high, new))


def _line_starts(text: str) -> list[int]:
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    return starts
