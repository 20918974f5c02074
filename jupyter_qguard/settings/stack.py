"""The layers of policy, and which of them decides (contract §8). Pure: files and clocks come in as values.

Within one level of specificity a later layer wins: default, system, user. The most
specific level wins over the others: ``[[paths]]``, ``[rules]``, ``[doors]``,
``[content]``. Then the project file can only tighten, except by its own ``[[paths]]``
with a reason and an owner. Last of all each system file is a minimum.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Literal

from jupyter_qguard.errors import ConfigError
from jupyter_qguard.settings.exceptions import Exceptions, exceptions_of
from jupyter_qguard.settings.policy_file import PathEntry, PolicyFile, Values
from jupyter_qguard.settings.toml_lines import Key
from jupyter_qguard.settings.words import PLAIN_CONTENT, Action, Door, Mode, OnFailure

Special = Literal["", "cannot be cut out", "over budget", "notebook that is none"]
"""What the default policy refuses whatever the content class says, at the doors of :data:`REFUSED`."""
REFUSED: dict[str, frozenset[str]] = {
    "cannot be cut out": frozenset({"save", "upload", "commit"}),
    "over budget": frozenset({"export"}),
    "notebook that is none": frozenset(
        {"save", "upload", "copy", "rename", "checkpoint", "restore", "download", "commit"}
    ),
}


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked of a policy. ``path`` is relative to the root; ``rule`` None asks for the content class alone.

    ``generic`` rules (entropy, keywords) only warn unless a setting names them. ``special`` holds for
    plain files, and for a notebook that is over budget.
    """

    door: Door
    content: str
    path: str = ""
    rule: str | None = None
    generic: bool = False
    special: Special = ""

    @property
    def plain(self) -> bool:
        """Whether the question is about what cannot be rewritten."""
        return self.content in PLAIN_CONTENT


@dataclass(frozen=True, slots=True)
class Verdict:
    """An action, the setting that gave it, and where that setting stands (``line`` 1-based, 0 if unknown)."""

    action: Action
    setting: str
    source: str
    line: int = 0
    floor: bool = False
    level: Literal["rule", "class"] = "class"

    @property
    def because(self) -> str:
        """Return ``content.source (default)`` and the like."""
        return f"{self.setting} ({'floor, ' if self.floor else ''}{self.source})"


@dataclass(frozen=True)
class Stack:
    """The files that apply to one folder. ``shared`` runs default, system…, user: weakest precedence first."""

    shared: tuple[PolicyFile, ...]
    project: PolicyFile | None
    mode: Mode
    on_failure: OnFailure

    @property
    def floors(self) -> tuple[PolicyFile, ...]:
        """Return the system files: each is a minimum."""
        return tuple(layer for layer in self.shared if layer.role == "system")

    @property
    def layers(self) -> tuple[PolicyFile, ...]:
        """Return every file, the project's last."""
        return (*self.shared, self.project) if self.project else self.shared

    def judge(self, query: Query, now: datetime) -> Verdict:
        """Return what the policy says. Raises ConfigError when there is no policy at all."""
        verdict = self._without_floor(query, now)
        for floor in self.floors:
            least = self._minimum(floor, query, now)
            if least is not None and least.action == verdict.action and least.source == verdict.source:
                verdict = least  # the value is the floor's own: say so
            verdict = _stricter(verdict, least)
        return verdict

    def least(self, query: Query, now: datetime) -> Action:
        """Return what the system's files alone ask for, ``allow`` if they say nothing."""
        asked = (self._minimum(floor, query, now) for floor in self.floors)
        return max((verdict.action for verdict in asked if verdict is not None), default=Action.ALLOW)

    @cached_property
    def exceptions(self) -> Exceptions:
        """Return how far baselines and pragmas count."""
        return exceptions_of(self.shared, self.project)

    def _without_floor(self, query: Query, now: datetime) -> Verdict:
        first = _most_specific(self.shared, query)
        if first is None:
            raise ConfigError("The policy is empty, which allows nothing.", "Start from the defaults.")
        verdict = self._settle(first, query, now, self)
        for layer in self.shared:
            verdict = self._entries(layer, verdict, query, now, self) or verdict
        if self.project is not None:
            own = _most_specific((self.project,), query)
            if own is not None:
                verdict = _stricter(verdict, self._settle(own, query, now, self))
            verdict = self._entries(self.project, verdict, query, now, self) or verdict
        return verdict

    def _minimum(self, floor: PolicyFile, query: Query, now: datetime) -> Verdict | None:
        """Return what one system file alone asks for, None if it says nothing."""
        # A rule's `redact` on a plain file asks for that kind's action; here as the floor knows it,
        # so that no user file can lower what the floor means.
        known = Stack((self.shared[0], floor), None, self.mode, self.on_failure)
        first = _most_specific((floor,), query)
        verdict = self._settle(first, query, now, known) if first else None
        verdict = self._entries(floor, verdict, query, now, known) or verdict
        return replace(verdict, floor=True) if verdict else None

    def _entries(
        self, layer: PolicyFile, verdict: Verdict | None, query: Query, now: datetime, meaning: Stack
    ) -> Verdict | None:
        """Fold the matching ``[[paths]]`` of one file into ``verdict``: the last one that says something wins.

        An entry without reason and owner, or one that ran out, can only tighten.
        """
        for entry in layer.matching(query.path):
            found = _entry_says(layer, entry, query)
            if found is not None:
                found = self._settle(found, query, now, meaning)
                verdict = found if entry.may_weaken(now) or verdict is None else _stricter(verdict, found)
        return verdict

    def _settle(self, verdict: Verdict, query: Query, now: datetime, meaning: Stack) -> Verdict:
        """Turn what a setting says into what can be done with this kind of content."""
        if verdict.level == "class":
            if query.generic and verdict.action > Action.WARN:
                return Verdict(Action.WARN, f"rules.{query.rule}", "default for entropy and keyword rules")
            return verdict
        if query.plain and verdict.action is Action.HOLD:
            return replace(verdict, action=Action.BLOCK)
        if query.plain and verdict.action is Action.REDACT:
            return replace(verdict, action=meaning._kind_action(query, now))
        return verdict

    def _kind_action(self, query: Query, now: datetime) -> Action:
        """Return a plain file's action without rules, never less than its door's."""
        bare = replace(query, rule=None, generic=False)
        verdict, door = self._without_floor(bare, now), _at_door(self.shared, bare)
        if door is not None and verdict == door:  # no path or project spoke: the kind's own action counts too
            verdict = _stricter(verdict, _in_content(self.shared, bare))
        return max(verdict.action, door.action) if door else verdict.action

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) over what the policy says, not over where or how it is written."""
        said: dict[str, object] = {
            "version": 1,
            "mode": self.mode,
            "on_failure": self.on_failure,
            "values": _merged(self.shared).canonical(),
            "floor": [layer.values.canonical() for layer in self.floors],
            "project": self.project.values.canonical() if self.project else None,
            "paths": [
                {
                    "file": [layer.role, layer.base],
                    "match": entry.glob.text,
                    "values": entry.values.canonical(),
                    "expires": str(entry.expires or ""),
                    "weakens": bool(entry.reason and entry.owner),
                }
                for layer in self.layers
                for entry in layer.paths
            ],
        }
        exceptions = [[layer.role, layer.exceptions.canonical()] for layer in self.layers]
        if any(values for _, values in exceptions):
            said["exceptions"] = exceptions
        return hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _most_specific(layers: Sequence[PolicyFile], query: Query) -> Verdict | None:
    if query.rule is not None:
        for layer in reversed(layers):
            action = layer.values.rules.get(query.rule)
            if action is not None:
                return _verdict(layer, action, ("rules", query.rule), "rule")
    return _at_door(layers, query) or _in_content(layers, query)


def _in_content(layers: Sequence[PolicyFile], query: Query) -> Verdict | None:
    for layer in reversed(layers):
        action = layer.values.content.get(query.content)
        if action is not None:
            return _verdict(layer, action, ("content", query.content))
    return None


def _at_door(layers: Sequence[PolicyFile], query: Query) -> Verdict | None:
    for layer in reversed(layers):
        if layer.role == "default" and query.door in REFUSED.get(query.special, ()):
            return Verdict(Action.BLOCK, f"{query.special} at {query.door}", layer.name)
        action = layer.values.door(query.door, query.content)
        if action is not None:
            return _verdict(layer, action, ("doors", query.door, query.content))
    return None


def _entry_says(layer: PolicyFile, entry: PathEntry, query: Query) -> Verdict | None:
    values: Values = entry.values
    key: Key = ("paths", entry.index)
    if query.rule is not None and query.rule in values.rules:
        return _verdict(layer, values.rules[query.rule], (*key, "rules", query.rule), "rule")
    at_door = values.door(query.door, query.content)
    if at_door is not None:
        return _verdict(layer, at_door, (*key, "doors", query.door, query.content))
    if query.content in values.content:
        return _verdict(layer, values.content[query.content], (*key, query.content))
    return None


def _verdict(layer: PolicyFile, action: Action, key: Key, level: Literal["rule", "class"] = "class") -> Verdict:
    return Verdict(action, dotted(layer, key), layer.name, layer.line(*key), level=level)


def dotted(layer: PolicyFile, key: Key) -> str:
    """Return ``rules.x``, or ``paths[courses/**].text`` with the pattern in place of the entry's number."""
    if key[0] == "paths" and len(key) > 1 and isinstance(key[1], int):
        return ".".join((f"paths[{layer.paths[key[1]].glob.text}]", *(str(part) for part in key[2:])))
    return ".".join(str(part) for part in key)


def _stricter(one: Verdict, other: Verdict | None) -> Verdict:
    return other if other is not None and other.action > one.action else one


def _merged(layers: Iterable[PolicyFile]) -> Values:
    content: dict[str, Action] = {}
    doors: dict[str, dict[str, Action]] = {}
    rules: dict[str, Action] = {}
    for layer in layers:
        content.update(layer.values.content)
        rules.update(layer.values.rules)
        for door, table in layer.values.doors.items():
            doors.setdefault(door, {}).update(table)
    return Values(content, doors, rules)
