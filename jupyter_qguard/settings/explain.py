"""Where every value comes from and who may change it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from jupyter_qguard.settings.durations import shown_duration
from jupyter_qguard.settings.exceptions import KEYS
from jupyter_qguard.settings.heads import head_places
from jupyter_qguard.settings.modes import ENV_MODE, ModeChoice, choose_history, choose_pause_max
from jupyter_qguard.settings.policy_file import PathEntry, PolicyFile, Values
from jupyter_qguard.settings.stack import Query, Stack, Verdict, dotted
from jupyter_qguard.settings.toml_lines import Key
from jupyter_qguard.settings.words import CONTENT, DOORS, Action

ANYONE = "you, in the user's qguard.toml; a project file only tightens"
ADMIN = "the administrator, in the system qguard.toml"
HERE = "who may edit that file"


@dataclass(frozen=True, slots=True)
class Row:
    """One setting. ``source`` is ``default``, ``system qguard.toml``, …; ``line`` is 1-based, 0 if unknown.

    ``floor`` is the least that a system file asks for ("" if none); ``who`` says who may change the value.
    """

    setting: str
    value: str
    source: str
    file: Path | None = None
    line: int = 0
    floor: str = ""
    who: str = ANYONE
    note: str = ""

    @property
    def where(self) -> str:
        """Return ``source:line`` for a person."""
        return f"{self.source}:{self.line}" if self.line else self.source


def rows(stack: Stack, path: str, now: datetime, choice: ModeChoice) -> list[Row]:
    """Return every setting of a stack, in the order of the policy file."""
    found = [_mode(stack, choice), _on_failure(stack, choice), _pause(stack), _history(stack)]
    for key, place, layer in head_places(stack.shared):
        line, firm = layer.line("ledger", key), layer.role == "system"
        who = ADMIN if firm else "you, in the user's qguard.toml"
        found.append(Row(f"ledger.{key}", place, layer.name, layer.file, line, place if firm else "", who))
    for name in CONTENT:
        found.append(_value(stack, ("content", name), _content(name)))
    for door in DOORS:
        for name in CONTENT:
            if any(layer.values.door(door, name) is not None for layer in stack.layers):
                found.append(_value(stack, ("doors", door, name), _door(door, name)))
    for rule in sorted({rule for layer in stack.layers for rule in layer.values.rules}):
        found.append(_value(stack, ("rules", rule), _rule(rule)))
    found += _exceptions(stack)
    for layer in stack.layers:
        matching = layer.matching(path)
        for entry in layer.paths:
            found += _entry(layer, entry, entry in matching, now)
    return found


def table(stack: Stack, path: str, now: datetime) -> list[tuple[str, str, Verdict]]:
    """Return (door, content class, verdict) for a finding of a provider rule at ``path``."""
    return [(door, name, stack.judge(Query(door, name, path), now)) for door in DOORS for name in CONTENT]


Getter = Callable[[Values], Action | None]


def _content(name: str) -> Getter:
    return lambda values: values.content.get(name)


def _door(door: str, name: str) -> Getter:
    return lambda values: values.door(door, name)


def _rule(rule: str) -> Getter:
    return lambda values: values.rules.get(rule)


def _value(stack: Stack, key: Key, get: Getter) -> Row:
    """Return the row of one setting: the last shared layer, tightened by the project, not below the floor."""
    value, layer = None, stack.shared[0]
    for candidate in stack.shared:
        found = get(candidate.values)
        if found is not None:
            value, layer = found, candidate
    note = ""
    own = get(stack.project.values) if stack.project else None
    if stack.project is not None and own is not None:
        if value is None or own >= value:
            value, layer = own, stack.project
        else:
            note = f"{stack.project.name} says {own}, which lowers nothing"
    floors = [(get(floor.values), floor) for floor in stack.floors]
    asked = [(action, floor) for action, floor in floors if action is not None]
    least = max(asked, key=lambda pair: pair[0]) if asked else None
    if least is not None and (value is None or least[0] > value):
        value, layer = least
    raised = least[0] if least else None
    who = ADMIN if raised is not None and value == raised else ANYONE
    if key[0] == "rules" and value is Action.REDACT:
        note = note or "a file that is no notebook gets its own kind's action"
    shown = ".".join(str(part) for part in key)
    return Row(
        shown, str(value), layer.name, layer.file, layer.line(*key), "" if raised is None else str(raised), who, note
    )


def _exceptions(stack: Stack) -> list[Row]:
    """Return a row per key of ``[exceptions]`` that holds, and the file that it comes from."""
    found = []
    for name in KEYS:
        said = [layer for layer in stack.layers if getattr(layer.exceptions, name) is not None]
        holds = getattr(stack.exceptions, name)
        if not said and not holds and name in ("days", "owners"):
            continue
        value = " and ".join(_shown(name, one) for one in holds) if name == "owners" else _shown(name, holds)
        if not said:
            found.append(Row(f"exceptions.{name}", value, stack.shared[0].name))
            continue
        layer = next((one for one in reversed(said) if getattr(one.exceptions, name) == holds), said[-1])
        floor = next((getattr(one.exceptions, name) for one in reversed(said) if one.role == "system"), None)
        who = ADMIN if floor is not None and layer.role == "system" else ANYONE
        shown = "" if floor is None else _shown(name, floor)
        line = layer.line("exceptions", name)
        found.append(Row(f"exceptions.{name}", value, layer.name, layer.file, line, shown, who))
    return found


def _shown(name: str, value: object) -> str:
    return ", ".join(value) if name == "owners" and isinstance(value, tuple) else str(value)


def _entry(layer: PolicyFile, entry: PathEntry, matches: bool, now: datetime) -> list[Row]:
    note = "matches this file" if matches else "does not match this file"
    if entry.expired(now):
        note += f"; ran out on {entry.expires}, so it only tightens"
    elif not entry.may_weaken(now):
        note += "; without reason and owner it only tightens"
    else:
        note += f"; {entry.reason} ({entry.owner}" + (f", until {entry.expires})" if entry.expires else ", no end)")
    key: Key = ("paths", entry.index)
    values = entry.values
    said: list[tuple[Key, Action]] = [((*key, name), action) for name, action in values.content.items()]
    for door, classes in values.doors.items():
        said += [((*key, "doors", door, name), action) for name, action in classes.items()]
    said += [((*key, "rules", rule), action) for rule, action in values.rules.items()]
    who = ADMIN if layer.role == "system" else HERE
    return [
        Row(dotted(layer, name), str(action), layer.name, layer.file, layer.line(*name), "", who, note)
        for name, action in said
    ]


def _mode(stack: Stack, choice: ModeChoice) -> Row:
    floor = choice.floor or ""
    who = ADMIN if choice.floor == stack.mode == "enforce" else f"you, in the user's qguard.toml or with {ENV_MODE}"
    layer = next((layer for layer in reversed(stack.shared) if choice.source.endswith(layer.name)), None)
    file, line = (layer.file, layer.line("mode")) if layer else (None, 0)
    return Row("mode", stack.mode, choice.source, file, line, floor, who)


def _on_failure(stack: Stack, choice: ModeChoice) -> Row:
    layer = next((layer for layer in reversed(stack.shared) if choice.on_failure_source == layer.name), None)
    file, line = (layer.file, layer.line("on_failure")) if layer else (None, 0)
    floor = next((layer.on_failure for layer in stack.floors if layer.on_failure), None)
    who = ADMIN if floor == "refuse" else "you, in the user's qguard.toml"
    return Row("on_failure", stack.on_failure, choice.on_failure_source, file, line, floor or "", who)


def _pause(stack: Stack) -> Row:
    most, source = choose_pause_max(stack.shared)
    floor = any(layer.pause_max is not None for layer in stack.floors)
    return _shared(stack, "pause.max", shown_duration(most), source, floor=floor)


def _history(stack: Stack) -> Row:
    value, source = choose_history(stack.shared)
    floor = choose_history((stack.shared[0], *stack.floors))[0] if any(one.history for one in stack.floors) else ""
    row = _shared(stack, "kernel.history", value, source, floor=floor == value)
    return replace(row, floor=floor)


def _shared(stack: Stack, setting: str, value: str, source: str, *, floor: bool) -> Row:
    """Return the row of a setting in which project files have no say."""
    layer = next((layer for layer in reversed(stack.shared) if layer.name == source and layer.file), None)
    file, line = (layer.file, layer.line(*setting.split("."))) if layer else (None, 0)
    return Row(setting, value, source, file, line, "", ADMIN if floor else "you, in the user's qguard.toml")
