"""Where each key of a TOML text stands. ``tomllib`` keeps no positions, so they are found again, best effort.

Nothing is decided by these numbers; they only help a person to find a setting.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any

Key = tuple[str | int, ...]
MAX_KEY_PARTS = 64
_PART = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
_KEY = re.compile(rf"\s*({_PART}(?:[ \t]*\.[ \t]*{_PART}){{0,{MAX_KEY_PARTS}}})[ \t]*=")
_TABLE = re.compile(rf"\s*(\[\[?)[ \t]*({_PART}(?:[ \t]*\.[ \t]*{_PART}){{0,{MAX_KEY_PARTS}}})[ \t]*\]")
_PARTS = re.compile(_PART)
# tomllib needs time that grows with the square of a dotted key's length.
_ENDLESS_KEY = re.compile(rf"(?<![\w-])(?:{_PART}[ \t]*\.[ \t]*){{{MAX_KEY_PARTS},}}")
_POSITION = re.compile(r"\(at (line \d+, column \d+|end of document)\)")
_QUOTES = ('"""', "'''")


def parse_toml(text: str) -> tuple[dict[str, Any], str]:
    """Return the parsed table and ``""``, or ``{}`` and a sentence part that says what is wrong.

    The sentence quotes nothing of the text. Never raises for any ``text``.
    """
    if _ENDLESS_KEY.search(text):
        return {}, f"has a dotted key of more than {MAX_KEY_PARTS} parts"
    try:
        return tomllib.loads(text), ""
    except tomllib.TOMLDecodeError as error:
        where = _POSITION.search(str(error))
        return {}, f"is not valid TOML ({where.group(1)})" if where else "is not valid TOML"
    except RecursionError:
        return {}, "is nested too deeply"
    except (ValueError, OverflowError):
        return {}, "holds a number or a date that is out of range"


def line_of(lines: Mapping[Key, int], key: Key) -> int:
    """Return the 1-based line of ``key``, or of the nearest table around it; 0 if unknown."""
    for length in range(len(key), 0, -1):
        found = lines.get(key[:length])
        if found:
            return found
    return 0


def key_lines(text: str) -> dict[Key, int]:
    """Return the 1-based line of each table and key. Entries of ``[[x]]`` are numbered from 0."""
    found: dict[Key, int] = {}
    counts: dict[Key, int] = {}
    table: Key = ()
    inside = ""
    for number, line in enumerate(text.split("\n"), start=1):
        if inside:
            if inside in line:
                inside = ""
            continue
        header = _TABLE.match(line)
        if header:
            name = _split(header.group(2))
            table = _place(name, counts)
            if header.group(1) == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            found.setdefault(table, number)
            continue
        key = _KEY.match(line)
        if key:
            name = (*table, *_split(key.group(1)))
            for length in range(len(table) + 1, len(name) + 1):
                found.setdefault(name[:length], number)
            value = line[key.end() :].lstrip()
            for quotes in _QUOTES:
                if value.startswith(quotes) and value.count(quotes) == 1:
                    inside = quotes
    return found


def _split(dotted: str) -> Key:
    return tuple(part.strip("\"'") for part in _PARTS.findall(dotted))


def _place(name: Key, counts: Mapping[Key, int]) -> Key:
    """Return ``name`` with the number of the current entry after each array of tables on the way."""
    placed: Key = ()
    for index, part in enumerate(name):
        placed = (*placed, part)
        if index < len(name) - 1 and placed in counts:
            placed = (*placed, counts[placed])
    return placed
