"""One policy file as frozen values, and what can be wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from jupyter_qguard.settings.exceptions import ExceptionValues, has_expired
from jupyter_qguard.settings.glob import Glob
from jupyter_qguard.settings.toml_lines import Key, line_of
from jupyter_qguard.settings.words import CONTENT, Action, History, Mode, OnFailure, Role

_NONE: Mapping[str, Action] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with one file. ``key`` is dotted; ``line`` 1-based, 0 if unknown.

    An ``error`` makes the file unusable, a ``warning`` does not. Values are never quoted.
    """

    file: str
    key: str
    line: int
    message: str
    hint: str = ""
    level: Literal["error", "warning"] = "error"

    def sentence(self) -> str:
        """Return file, line, key, message and hint as one line for a person."""
        where = f"{self.file}:{self.line}" if self.line else self.file
        what = f"{self.key}: {self.message}" if self.key else self.message
        return f"{where}: {what} {self.hint}".rstrip()


@dataclass(frozen=True, slots=True)
class Values:
    """What one file, or one ``[[paths]]`` entry, sets. Absent means: says nothing."""

    content: Mapping[str, Action] = field(default_factory=dict)
    doors: Mapping[str, Mapping[str, Action]] = field(default_factory=dict)
    rules: Mapping[str, Action] = field(default_factory=dict)

    def door(self, door: str, content: str) -> Action | None:
        """Return the action set for one content class at one door."""
        return self.doors.get(door, _NONE).get(content)

    def canonical(self) -> dict[str, object]:
        """Return the values as sorted, JSON-able data."""
        return {
            "content": {key: str(self.content[key]) for key in sorted(self.content)},
            "doors": {
                door: {key: str(table[key]) for key in sorted(table)}
                for door, table in sorted(self.doors.items())
                if table
            },
            "rules": {key: str(self.rules[key]) for key in sorted(self.rules)},
        }


@dataclass(frozen=True, slots=True)
class PathEntry:
    """One ``[[paths]]`` entry. ``index`` counts from 0 in its file."""

    glob: Glob
    values: Values
    index: int
    reason: str = ""
    owner: str = ""
    expires: date | datetime | None = None

    def expired(self, now: datetime) -> bool:
        """Return whether the entry ran out. A plain date ends when that day begins in UTC. ``now`` is aware."""
        return has_expired(self.expires, now)

    def may_weaken(self, now: datetime) -> bool:
        """Return whether the entry may lower an action: it has a reason, an owner, and has not run out."""
        return bool(self.reason and self.owner) and not self.expired(now)


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """One parsed file.

    ``name`` is what people see (``default``, ``user qguard.toml``, ``project sub/qguard.toml``);
    ``base`` is the folder that ``[[paths]]`` start from, relative to the root, "" for the root;
    ``prefix`` is where the policy stands in the TOML (``("tool", "qguard")`` in pyproject.toml).
    """

    role: Role
    name: str
    file: Path | None = None
    base: str = ""
    prefix: Key = ()
    mode: Mode | None = None
    on_failure: OnFailure | None = None
    values: Values = field(default_factory=Values)
    paths: tuple[PathEntry, ...] = ()
    exceptions: ExceptionValues = field(default_factory=ExceptionValues)
    heads: tuple[tuple[str, str], ...] = ()
    """Where ``[ledger]`` wants signed heads kept: (key, place)."""
    lines: Mapping[Key, int] = field(default_factory=dict)
    pause_max: timedelta | None = None
    history: History | None = None

    def line(self, *key: str | int) -> int:
        """Return the 1-based line of a setting, 0 if unknown."""
        return line_of(self.lines, (*self.prefix, *key)) if self.lines else 0

    def matching(self, path: str) -> tuple[PathEntry, ...]:
        """Return the entries that match ``path`` (relative to the root), in file order."""
        if self.base:
            if not path.startswith(self.base + "/"):
                return ()
            path = path[len(self.base) + 1 :]
        return tuple(entry for entry in self.paths if entry.glob.matches(path))


def defaults() -> PolicyFile:
    """Return the policy that holds without any file (contract §8)."""
    plain = {"text": Action.WARN, "opaque": Action.WARN}
    content = {name: plain.get(name, Action.REDACT) for name in CONTENT}
    doors = {"upload": {"text": Action.BLOCK}, "commit": {"text": Action.BLOCK}}
    return PolicyFile(
        role="default", name="default", mode="enforce", on_failure="refuse", values=Values(content=content, doors=doors)
    )


DEFAULTS = defaults()
