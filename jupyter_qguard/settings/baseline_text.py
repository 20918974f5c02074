"""Writing a baseline: one line in, one line out, everything else (comments, order, line ends) as it was.

A change is made as text and then read back: what comes out says exactly what went in plus or minus the entry, or
nothing is changed. ``tomllib`` cannot write, and a writer that keeps comments has no say in where a new key goes,
which is what makes two people's entries merge: lines are sorted by digest, so they land apart from one another.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from datetime import date, datetime
from typing import Any

from jupyter_qguard.errors import InputError
from jupyter_qguard.settings.baseline_file import HINTS, TABLE, Entry
from jupyter_qguard.settings.toml_lines import key_lines, parse_toml

_NEW = """\
version = 1
salts = [
  "{salt}",
]

# What people reviewed and accepted. One line is one exception: `qguard baseline list`.
# There is no secret in here: a digest says which value a line is about.
# Lines may be edited and removed by hand; rule, reason, owner and expires have to stay.
[accepted]
"""
# The comments keep salts and entries apart: git takes changes that are three lines or less from one another for one,
# and a union of two new files would then repeat what stands between them.


def new_baseline(salt: str) -> str:
    """Return the text of a baseline without entries. ``salt`` is hexadecimal."""
    return _NEW.format(salt="-".join(salt[at : at + 8] for at in range(0, len(salt), 8)))


def with_entry(text: str, entry: Entry) -> str:
    """Return the text with one more entry, or with the entry of that digest replaced. ``text`` is a good baseline.

    Raises InputError where the text is written in a way in which that cannot be done.
    """
    data = _data(text)
    if entry.digest in data.get(TABLE, {}):
        return with_entry(without(text, [entry.digest]), entry)
    wanted = {**data, TABLE: {**data.get(TABLE, {}), entry.digest: _plain(entry)}}
    return _first(text, wanted, lambda lines: _added(lines, entry))


def without(text: str, digests: Collection[str]) -> str:
    """Return the text without the entries of these digests. Raises InputError where that cannot be done."""
    for digest in digests:
        data = _data(text)
        wanted = {**data, TABLE: {name: value for name, value in data.get(TABLE, {}).items() if name != digest}}
        text = _first(text, wanted, lambda lines, digest=digest: _removed(lines, digest))
    return text


def line_for(entry: Entry) -> str:
    """Return the one line that an entry is written as, without the line end."""
    return f"{entry.digest} = {{ " + ", ".join(f"{key} = {_value(v)}" for key, v in _plain(entry).items()) + " }"


def _plain(entry: Entry) -> dict[str, Any]:
    """Return an entry as it is written; what is not set is left out."""
    said: dict[str, Any] = {
        "rule": entry.rule,
        "reason": entry.reason,
        "owner": entry.owner,
        "expires": entry.expires,
        **{name: getattr(entry, name) for name in HINTS if getattr(entry, name)},
    }
    if entry.only:
        said["only"] = entry.only
    if entry.guessable:
        said["guessable"] = True
    return said


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date | datetime):
        return value.isoformat()
    # JSON's escapes are TOML's, but for DEL, which JSON leaves as it is; surrogates cannot be in a text here.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")


def _first(text: str, wanted: dict[str, Any], ways: Any) -> str:
    """Return the first way of writing that reads as ``wanted``."""
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = text.replace("\r\n", "\n").split("\n")
    for changed in ways(lines):
        whole = "\n".join(changed)
        data, wrong = parse_toml(whole)
        if not wrong and {TABLE: {}, **data} == wanted:
            return whole.replace("\n", newline)
    raise InputError(
        "The baseline is written in a way that cannot be changed safely.",
        "Nothing was changed; edit the line by hand, or write each entry on one line under [accepted].",
    )


def _added(lines: list[str], entry: Entry) -> Iterator[list[str]]:
    found = key_lines("\n".join(lines))
    places = {str(key[1]): line for key, line in found.items() if len(key) == 2 and key[0] == TABLE}
    new, header = line_for(entry), found.get((TABLE,))
    later = [places[digest] for digest in sorted(places) if digest > entry.digest]
    if header is None:
        yield [*_ended(lines), "", f"[{TABLE}]", new, ""]
        return
    if later:
        at = later[0] - 1
        while at > header and lines[at - 1].lstrip().startswith("#"):
            at -= 1  # what is said above a line is about that line
        yield [*lines[:at], new, *lines[at:]]
    elif places:
        at = max(places.values())
        yield [*lines[:at], new, *lines[at:]] if at < len(lines) else [*lines, new, ""]
    yield [*lines[:header], new, *lines[header:]] if header < len(lines) else [*lines, new, ""]
    # Entries that somebody wrote as tables of their own: this one as one, too.
    table = [f"{key} = {_value(value)}" for key, value in _plain(entry).items()]
    yield [*_ended(lines), "", f"[{TABLE}.{entry.digest}]", *table, ""]


def _removed(lines: list[str], digest: str) -> Iterator[list[str]]:
    at = key_lines("\n".join(lines)).get((TABLE, digest))
    if at is None:
        return
    yield [*lines[: at - 1], *lines[at:]]
    end = at
    while end < len(lines) and not lines[end].lstrip().startswith("["):
        end += 1
    yield [*lines[: at - 1], *lines[end:]]


def _ended(lines: list[str]) -> list[str]:
    """Return the lines without empty ones at the end."""
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    return lines


def _data(text: str) -> dict[str, Any]:
    data, wrong = parse_toml(text)
    if wrong:
        raise InputError(f"The baseline {wrong}.", "Correct it first.")
    return {TABLE: {}, **data}
