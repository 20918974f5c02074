"""Edits of single string literals, applied to a JSON value (copy on write) and spliced into JSON text.

The same edits give the same notebook both ways. Text outside the edited characters stays as it was:
spacing, number formats, escapes, order and repeated keys included.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Any

from jupyter_qguard.errors import RedactionError
from jupyter_qguard.scan.fragments import Component, Edit

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|[{}\[\],:]|[^\s"{}\[\],:]+', re.DOTALL)
_PIECE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|[^\\]", re.DOTALL
)


class Repeated(dict[str, Any]):
    """A JSON object that names a key twice. As a dict it is what ``json.loads`` gives (the last one wins)."""

    every: list[tuple[Component, str, Any]]

    @classmethod
    def of(cls, pairs: Sequence[tuple[str, Any]]) -> Repeated:
        """Build from all pairs in the order of the text."""
        new = cls(pairs)
        seen: dict[str, int] = {}
        new.every = []
        for key, value in pairs:
            n = seen[key] = seen.get(key, -1) + 1
            new.every.append(((key, n) if n else key, key, value))
        return new


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    new = dict(pairs)
    return new if len(new) == len(pairs) else Repeated.of(pairs)


def parse(text: str) -> Any:
    """Parse JSON text, keeping repeated keys. Raises ValueError or RecursionError as ``json.loads`` does."""
    return json.loads(text, object_pairs_hook=_object)


def members(node: dict[Any, Any]) -> Iterable[tuple[Component, Any, Any]]:
    """Yield (path component, key, value) of every member, repeated ones included."""
    if type(node) is Repeated:
        return node.every
    return zip(node, node, node.values(), strict=True)


def apply_edits(root: Any, edits: Sequence[Edit]) -> Any:
    """Return ``root`` with ``edits`` applied; only what lies on the way to an edit is copied.

    Values are edited first, then keys from the deepest up, so that every path means what it meant.
    """
    copies: dict[tuple[Component, ...], Any] = {}

    def own(path: tuple[Component, ...]) -> Any:
        """Return the copied container at ``path``, copying what leads to it once."""
        for depth in range(len(path) + 1):
            here = path[:depth]
            if here in copies:
                continue
            if depth == 0:
                copies[here] = copy.copy(root)
                continue
            parent = copies[here[:-1]]
            new = copy.copy(parent[here[-1]])
            parent[here[-1]] = new
            copies[here] = new
        return copies[path]

    values, keys = _grouped(edits)
    for path, group in values.items():
        if not path:
            return replace(root, group)
        holder = own(path[:-1])
        holder[path[-1]] = replace(holder[path[-1]], group)
    for path in sorted(keys, key=len, reverse=True):
        _rename(own(path[:-1]), path[-1], replace(str(path[-1]), keys[path]))
    return copies.get((), root)


def _grouped(
    edits: Sequence[Edit],
) -> tuple[dict[tuple[Component, ...], list[Edit]], dict[tuple[Component, ...], list[Edit]]]:
    values: dict[tuple[Component, ...], list[Edit]] = {}
    keys: dict[tuple[Component, ...], list[Edit]] = {}
    for edit in edits:
        (keys if edit.is_key else values).setdefault(edit.path, []).append(edit)
    return values, keys


def _rename(holder: Any, old: Component, new: str) -> None:
    """Rename a key in place, keeping order and children."""
    name = free_name(new, (key for key in holder if key != old))
    items = [(name if key == old else key, value) for key, value in holder.items()]
    holder.clear()
    holder.update(items)


def free_name(wanted: str, taken: Iterable[Any]) -> str:
    """Return ``wanted``, or with the first suffix that keeps it apart from ``taken``."""
    names = set(taken)
    name, n = wanted, 2
    while name in names:
        name, n = f"{wanted}-{n}", n + 1
    return name


def replace(text: str, edits: Iterable[Edit]) -> str:
    """Return ``text`` with non-overlapping edits applied."""
    out: list[str] = []
    at = 0
    for edit in sorted(edits, key=lambda e: (e.start, e.end)):
        if edit.start < at or edit.end > len(text):
            raise RedactionError("A redaction would change the same characters twice.")
        out += (text[at : edit.start], edit.replacement)
        at = edit.end
    out.append(text[at:])
    return "".join(out)


def splice(text: str, edits: Sequence[Edit]) -> str:
    """Return JSON ``text`` with ``edits`` made inside its string literals, all else as it was."""
    values, keys = _grouped(edits)
    wanted = {(path, False) for path in values} | {(path, True) for path in keys}
    plain = text.isascii()
    out: list[str] = []
    at = 0
    siblings: dict[tuple[Component, ...], list[str]] = {}
    found: list[tuple[int, int, list[Edit], bool]] = []
    parents = {path[:-1] for path in keys}
    for path, is_key, start, end in literals(text):
        if is_key and path[:-1] in parents:
            siblings.setdefault(path[:-1], []).append(json.loads(text[start:end]))
        if (path, is_key) in wanted:
            found.append((start, end, keys[path] if is_key else values[path], is_key))
    if len(found) != len(wanted):
        raise RedactionError("A redaction could not find its place in the JSON text.")
    for start, end, group, is_key in found:
        body = text[start + 1 : end - 1]
        new = _splice_literal(body, group, plain)
        if is_key:
            holder = group[0].path[:-1]
            old, name = json.loads(f'"{body}"'), json.loads(f'"{new}"')
            others = list(siblings[holder])
            others.remove(old)
            free = free_name(name, others)
            siblings[holder] = [*others, free]
            new += free[len(name) :]
        out += (text[at : start + 1], new)
        at = end - 1
    out.append(text[at:])
    return "".join(out)


def _splice_literal(body: str, edits: Sequence[Edit], ascii_only: bool) -> str:
    """Edit the body of one literal; offsets count decoded code points."""
    encode = encode_basestring_ascii if ascii_only else encode_basestring
    bounds = _bounds(body)
    raw = [
        Edit(e.path, e.is_key, bounds[e.start], bounds[e.end], encode(e.replacement)[1:-1])
        for e in edits
        if e.end < len(bounds)
    ]
    if len(raw) != len(edits):
        raise RedactionError("A redaction does not fit the JSON text.")
    return replace(body, raw)


def _bounds(body: str) -> Sequence[int]:
    """Return where each decoded code point of a literal's body begins in it, and last where it ends."""
    if "\\" not in body:
        return range(len(body) + 1)
    return [m.start() for m in _PIECE.finditer(body)] + [len(body)]


def offsets_in_literals(text: str, spans: Iterable[tuple[int, int]]) -> dict[tuple[int, int], Sequence[int]]:
    """Return, for each literal text[start:end] (quotes included), where its decoded code points begin in ``text``.

    The last of a literal's offsets is its closing quote.
    """
    out: dict[tuple[int, int], Sequence[int]] = {}
    for start, end in spans:
        bounds = _bounds(text[start + 1 : end - 1])
        shifted = range(start + 1, end) if isinstance(bounds, range) else [start + 1 + at for at in bounds]
        out[start, end] = shifted
    return out


def literals(text: str) -> Iterator[tuple[tuple[Component, ...], bool, int, int]]:
    """Yield (path, is_key, start, end) of every string literal, quotes included, without recursion.

    ``text`` must be valid JSON; what follows from invalid text is unspecified (it is parsed first).
    """
    path: list[Component] = []
    counts: list[dict[str, int] | None] = []  # per open container: key counts of an object, None for a list
    expect_key = False
    for token in _TOKEN.finditer(text):
        first = text[token.start()]
        if first == '"':
            if expect_key:
                key = json.loads(token.group()) if "\\" in token.group() else token.group()[1:-1]
                seen = counts[-1]
                assert seen is not None  # noqa: S101  # expect_key is only set inside an object
                n = seen[key] = seen.get(key, -1) + 1
                path[-1] = (key, n) if n else key
                expect_key = False
                yield tuple(path), True, token.start(), token.end()
            else:
                yield tuple(path), False, token.start(), token.end()
        elif first == "{":
            counts.append({})
            path.append("")
            expect_key = True
        elif first == "[":
            counts.append(None)
            path.append(0)
        elif first in "}]":
            counts.pop()
            path.pop()
            expect_key = False
        elif first == "," and counts:
            if counts[-1] is None:
                index = path[-1]
                path[-1] = index + 1 if isinstance(index, int) else 0
            else:
                expect_key = True
    return
