"""What is recorded of a decision: door, place, verdict, findings by rule and position. No plaintext."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from jupyter_qguard.errors import LedgerError

SCHEMA = 1
LONGEST = 4096
"""Characters of any one text; a longer one is clipped, since no content may be able to stop its own record."""

_OPTIONAL_INT = (int, type(None))
_OPTIONAL_TEXT = (str, type(None))
_FINDING: dict[str, tuple[type, ...]] = {
    "rule": (str,),
    "action": (str,),
    "cell_index": _OPTIONAL_INT,
    "cell_id": _OPTIONAL_TEXT,
    "field": _OPTIONAL_TEXT,
    "line": _OPTIONAL_INT,
    "column": _OPTIONAL_INT,
    "id8": (str,),
    "cut": (bool,),
    "exception": (str,),
}
_UNCHECKED: dict[str, tuple[type, ...]] = {
    "field": _OPTIONAL_TEXT,
    "reason": (str,),
    "action": (str,),
    "over_budget": (bool,),
}
_REQUIRED = ("rule", "action"), ("reason",)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_ID8 = re.compile(r"[0-9a-f]{8}")


def stamp(seconds: float | None = None) -> str:
    """Return a time (seconds since 1970, default now) as the ledger writes it: ``2027-01-31T09:30:00.000000Z``.

    Fixed width and UTC, so that text order is time order.
    """
    moment = datetime.now(UTC) if seconds is None else datetime.fromtimestamp(seconds, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass(frozen=True, slots=True)
class Event:
    """One decision other than *allow*, or an *allow* that an exception gave.

    ``time`` comes from :func:`stamp`; ``path`` is relative to the root, '/'-separated. Each finding is a
    mapping with ``rule`` and ``action`` and, where known, ``cell_index``, ``cell_id``, ``field``, ``line``,
    ``column`` (1-based), ``id8`` (8 hex digits), ``cut`` and ``exception`` (why it was let pass); each unchecked
    entry has ``reason`` and may have ``field``, ``action`` and ``over_budget``. Any other key or type raises
    ``LedgerError``: that is what keeps a secret's text out of the record. What free texts (``note``, a reason) say is
    not checked.
    """

    time: str
    door: str
    path: str
    action: str
    mode: str
    kind: str
    findings: Sequence[Mapping[str, Any]] = ()
    unchecked: Sequence[Mapping[str, Any]] = ()
    policy_digest: str = ""
    version: str = ""
    who: str = ""
    note: str = ""
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        for name in _TEXTS:
            object.__setattr__(self, name, _text(name, getattr(self, name)))
        if type(self.schema) is not int or self.schema < 1:
            raise LedgerError("An event's schema must be a positive whole number.")
        if not _TIME.fullmatch(self.time):
            raise LedgerError("An event's time must be UTC with microseconds, as stamp() gives it.")
        object.__setattr__(self, "findings", _entries("findings", self.findings, _FINDING, _REQUIRED[0]))
        object.__setattr__(self, "unchecked", _entries("unchecked", self.unchecked, _UNCHECKED, _REQUIRED[1]))
        if not all(_ID8.fullmatch(mark) for mark in self.markers()):
            raise LedgerError("A finding's id8 must be 8 hexadecimal digits.")

    def markers(self) -> tuple[str, ...]:
        """Return the distinct id8 of the findings, in order."""
        return tuple(dict.fromkeys(finding["id8"] for finding in self.findings if "id8" in finding))

    def as_dict(self) -> dict[str, Any]:
        """Return the event as JSON-able data."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        for name in ("findings", "unchecked"):
            plain[name] = [dict(entry) for entry in plain[name]]
        return plain

    def canonical(self) -> bytes:
        """Return the one byte form of the event: JSON, sorted keys, no spaces, ASCII, no floats.

        This is what is stored and what a hash or signature is to be taken of.
        """
        return json.dumps(self.as_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")

    @classmethod
    def from_canonical(cls, body: bytes) -> Event:
        """Return the event that was stored. Raises ``LedgerError`` if the bytes are none."""
        try:
            return cls.from_dict(json.loads(body))
        except (ValueError, RecursionError):
            raise _damaged() from None

    @classmethod
    def from_dict(cls, plain: Any) -> Event:
        """Return the event from what :meth:`as_dict` gave. Raises ``LedgerError`` if it is none."""
        try:
            # A later version may record more; what this one does not know it leaves out.
            return cls(**{name: value for name, value in plain.items() if name in _FIELDS})
        except (TypeError, AttributeError):
            raise _damaged() from None


_FIELDS = frozenset(field.name for field in fields(Event))
_TEXTS = tuple(field.name for field in fields(Event) if field.type == "str")


def _damaged() -> LedgerError:
    return LedgerError("A ledger entry is damaged.", "'qguard doctor' shows how much of the ledger can be read.")


def _text(name: str, value: object) -> str:
    if type(value) is not str:
        raise LedgerError(f"An event's {name} must be text.")
    return value if len(value) <= LONGEST else value[: LONGEST - 1] + "…"


def _entries(
    name: str, entries: object, allowed: Mapping[str, tuple[type, ...]], required: Sequence[str]
) -> tuple[dict[str, Any], ...]:
    """Return copies of the entries, so that a caller's later change does not alter the record."""
    if not isinstance(entries, Sequence) or isinstance(entries, str | bytes):
        raise LedgerError(f"An event's {name} must be a list of mappings.")
    copies = []
    for entry in entries:
        if not isinstance(entry, Mapping) or not set(entry) <= set(allowed) or not set(required) <= set(entry):
            raise LedgerError(f"An entry of an event's {name} may have only these keys: {', '.join(allowed)}.")
        if any(type(value) not in allowed[key] for key, value in entry.items()):  # exact: a bool is no line number
            raise LedgerError(f"An entry of an event's {name} has a value of the wrong type.")
        copies.append({key: _text(key, value) if type(value) is str else value for key, value in entry.items()})
    return tuple(copies)
