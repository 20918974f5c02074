"""How far reviewed exceptions (baselines, pragmas) count: the ``[exceptions]`` table of a policy file, layered.

System, user and project files say it in turn. A later file may change what an earlier one said, but never below
what a system file says; a project file only tightens.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from fnmatch import fnmatchcase
from typing import Any, Literal, Protocol, cast

from jupyter_qguard.settings.toml_lines import Key
from jupyter_qguard.settings.words import ACTIONS, Action, Role

Baseline = Literal["ignore", "allow"]
Pragma = Literal["ignore", "commit", "allow"]
BASELINE: tuple[Baseline, ...] = ("allow", "ignore")
"""Strictest last."""
PRAGMA: tuple[Pragma, ...] = ("allow", "commit", "ignore")
"""Strictest last. ``commit``: by ``qguard scan``, pre-commit and CI only, where a person reviews what is added."""
UP_TO = tuple(name for name in ACTIONS if name != "allow")
MAX_DAYS = 36_500
MAX_OWNERS = 100
KEYS = ("baseline", "pragma", "up_to", "days", "owners")


@dataclass(frozen=True, slots=True)
class ExceptionValues:
    """What one file says; None: nothing. ``owners`` are shell patterns, one of which must match; ``days`` a span."""

    baseline: Baseline | None = None
    pragma: Pragma | None = None
    up_to: Action | None = None
    days: int | None = None
    owners: tuple[str, ...] | None = None

    def canonical(self) -> dict[str, object]:
        """Return what is said as JSON-able data, nothing for nothing."""
        said: dict[str, object] = {
            "baseline": self.baseline,
            "pragma": self.pragma,
            "up_to": None if self.up_to is None else str(self.up_to),
            "days": self.days,
            "owners": None if self.owners is None else sorted(self.owners),
        }
        return {key: value for key, value in said.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Exceptions:
    """How far exceptions count for one path.

    ``up_to`` is the strictest action that is lifted, ``floor_up_to`` the strictest of what a system file itself asks
    for. ``days``: an entry counts only in its last so many days (0: always). Each of ``owners`` must have a match.
    """

    baseline: Baseline = "allow"
    pragma: Pragma = "ignore"
    up_to: Action = Action.BLOCK
    floor_up_to: Action = Action.REDACT
    days: int = 0
    owners: tuple[tuple[str, ...], ...] = ()

    def pragma_counts(self, door: str) -> bool:
        """Return whether pragmas count at a door."""
        return self.pragma == "allow" or (self.pragma == "commit" and door == "commit")

    def too_strict(self, action: Action, least: Action) -> str:
        """Return why an action is not lifted, "" if it is. ``least`` is what the system's files ask for."""
        if action > self.up_to:
            return f"the policy lifts nothing above {self.up_to}"
        if least > self.floor_up_to:
            return f"the administrator's policy asks for {least}"
        return ""

    def refuses(self, owner: str, expires: date, now: datetime) -> str:
        """Return why an entry of this owner and end does not count now, "" if it does. ``now`` is aware."""
        if has_expired(expires, now):
            return f"it ran out on {expires}"
        if self.days and end_of(expires) > now + timedelta(days=self.days):
            return f"it runs until {expires}, and the policy lets one run for {self.days} days"
        if not all(any(fnmatchcase(owner, pattern) for pattern in patterns) for patterns in self.owners):
            return "the policy does not take its owner"
        return ""


def end_of(expires: date) -> datetime:
    """Return the moment from which an entry counts no more. A plain date ends when that day begins in UTC."""
    if isinstance(expires, datetime):
        return expires if expires.tzinfo else expires.replace(tzinfo=UTC)
    return datetime.combine(expires, time(), UTC)


def has_expired(expires: date | None, now: datetime) -> bool:
    """Return whether something that ends at ``expires`` has ended. ``now`` is aware."""
    return expires is not None and now >= end_of(expires)


class Said(Protocol):
    """What is asked of a policy file (``policy_file.PolicyFile``)."""

    @property
    def role(self) -> Role: ...
    @property
    def exceptions(self) -> ExceptionValues: ...


def exceptions_of(shared: Sequence[Said], project: Said | None) -> Exceptions:
    """Return how far exceptions count. ``shared`` runs default, system…, user."""
    baseline: Baseline = "allow"
    pragma: Pragma = "ignore"
    up_to, days = Action.BLOCK, 0
    owners: list[tuple[str, ...]] = []
    floor_up_to: Action | None = None
    for layer in shared:
        said = layer.exceptions
        baseline, pragma = said.baseline or baseline, said.pragma or pragma
        up_to = up_to if said.up_to is None else said.up_to
        days = said.days or days
        if layer.role == "system" and said.up_to is not None:
            floor_up_to = said.up_to if floor_up_to is None else min(floor_up_to, said.up_to)
    tightening = [layer for layer in shared if layer.role == "system"] + ([project] if project else [])
    for layer in tightening:
        said = layer.exceptions
        baseline = max(baseline, said.baseline or baseline, key=BASELINE.index)
        pragma = max(pragma, said.pragma or pragma, key=PRAGMA.index)
        up_to = min(up_to, said.up_to if said.up_to is not None else up_to)
        days = min(filter(None, (days, said.days)), default=0)
    owners = [layer.exceptions.owners for layer in (*shared, project) if layer and layer.exceptions.owners]
    return Exceptions(
        baseline, pragma, up_to, Action.REDACT if floor_up_to is None else floor_up_to, days, tuple(owners)
    )


class Reader(Protocol):
    """What collects the problems of a file (``schema._Reader``)."""

    @property
    def role(self) -> Role: ...
    def error(self, key: Key, message: str, hint: str = "") -> None: ...
    def warning(self, key: Key, message: str, hint: str = "") -> None: ...
    def is_table(self, key: Key, table: Any) -> bool: ...
    def unknown(self, key: Key, table: Mapping[str, Any], names: Collection[str], what: str = "key") -> None: ...
    def bad_value(self, key: Key, value: Any, words: Collection[str]) -> None: ...


def read_exceptions(reader: Reader, table: Any) -> ExceptionValues:
    """Return what an ``[exceptions]`` table says; what is wrong with it goes to ``reader``."""
    key: Key = ("exceptions",)
    if not reader.is_table(key, table):
        return ExceptionValues()
    reader.unknown(key, table, KEYS)
    words = {name: _word(reader, table, name, allowed) for name, allowed in _WORDS.items()}
    if reader.role == "project" and words["pragma"] in ("allow", "commit"):
        reader.warning(
            (*key, "pragma"),
            "is below the default; a project file only tightens, so this lowers nothing.",
            "Whether pragmas count is said in the user's or a system qguard.toml.",
        )
    up_to = words["up_to"]
    return ExceptionValues(
        cast("Baseline | None", words["baseline"]),
        cast("Pragma | None", words["pragma"]),
        None if up_to is None else ACTIONS[up_to],
        _days(reader, table),
        _owners(reader, table),
    )


_WORDS: dict[str, tuple[str, ...]] = {"baseline": BASELINE, "pragma": PRAGMA, "up_to": UP_TO}


def _word(reader: Reader, table: Mapping[str, Any], name: str, words: tuple[str, ...]) -> str | None:
    value = table.get(name)
    if value is None or (isinstance(value, str) and value in words):
        return value
    reader.bad_value(("exceptions", name), value, words)
    return None


def _days(reader: Reader, table: Mapping[str, Any]) -> int | None:
    value = table.get("days")
    if value is None or (type(value) is int and 1 <= value <= MAX_DAYS):
        return value
    reader.error(("exceptions", "days"), f"must be a whole number from 1 to {MAX_DAYS}.", "Write days = 366.")
    return None


def _owners(reader: Reader, table: Mapping[str, Any]) -> tuple[str, ...] | None:
    value = table.get("owners")
    if value is None:
        return None
    if isinstance(value, list) and 0 < len(value) <= MAX_OWNERS and all(isinstance(one, str) and one for one in value):
        return tuple(value)
    reader.error(("exceptions", "owners"), "must be a list of patterns.", 'Write owners = ["*@lab.example"].')
    return None
