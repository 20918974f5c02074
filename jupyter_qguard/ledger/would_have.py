"""What observe mode would have done: its events grouped by who, rule, door and action. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from jupyter_qguard.ledger.event import Event

ACTIONS = ("redact", "hold", "block")
"""What changes or stops something, mildest first; a warning would have been a warning."""
STOPS = ("hold", "block")
UNCHECKED = "(unchecked)"
"""Stands as rule where a part that could not be looked into would have stopped it."""


@dataclass(slots=True)
class Group:
    """One line of the answer. ``times`` counts decisions, not findings; ``last`` is a ``stamp()``."""

    who: str
    rule: str
    door: str
    action: str
    times: int = 0
    paths: set[str] = field(default_factory=set)
    last: str = ""

    def plain(self) -> dict[str, Any]:
        """Return the line as JSON-able data."""
        return {
            "who": self.who,
            "rule": self.rule,
            "door": self.door,
            "action": self.action,
            "times": self.times,
            "paths": len(self.paths),
            "last": self.last,
        }


@dataclass(slots=True)
class WouldHave:
    """The whole answer: decisions in observe mode, how many of them would have been stopped or redacted."""

    decisions: int = 0
    stopped: int = 0
    redacted: int = 0
    groups: list[Group] = field(default_factory=list)
    people: set[str] = field(default_factory=set)
    """Who would have been stopped."""


def would_have(events: Iterable[Event]) -> WouldHave:
    """Return what observe-mode events say; events of other modes are left out."""
    answer = WouldHave()
    groups: dict[tuple[str, str, str, str], Group] = {}
    for event in events:
        if event.mode != "observe":
            continue
        answer.decisions += 1
        answer.stopped += event.action in STOPS
        answer.redacted += event.action == "redact"
        if event.action in STOPS:
            answer.people.add(event.who)
        for rule, action in _reasons(event):
            key = (event.who, rule, event.door, action)
            group = groups.setdefault(key, Group(*key))
            group.times += 1
            group.paths.add(event.path)
            group.last = max(group.last, event.time)
    answer.groups = sorted(
        groups.values(), key=lambda one: (-ACTIONS.index(one.action), -one.times, one.who, one.rule, one.door)
    )
    return answer


def _reasons(event: Event) -> set[tuple[str, str]]:
    """Return (rule, action) of what would have changed or stopped something, each once."""
    found = {(finding["rule"], finding["action"]) for finding in event.findings if finding["action"] in ACTIONS}
    found |= {(UNCHECKED, part["action"]) for part in event.unchecked if part.get("action") in ACTIONS}
    if event.action in STOPS and not any(action in STOPS for _, action in found):
        found.add((UNCHECKED, event.action))  # the file as a whole: no one rule says why
    return found
