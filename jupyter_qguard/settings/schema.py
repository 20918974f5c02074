"""From TOML data to a :class:`PolicyFile`: every key is known or it is an error that says what was meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

from jupyter_qguard.settings.durations import parse_duration
from jupyter_qguard.settings.exceptions import read_exceptions
from jupyter_qguard.settings.glob import compile_glob
from jupyter_qguard.settings.heads import HEADS, why_no_place
from jupyter_qguard.settings.policy_file import DEFAULTS, PathEntry, PolicyFile, Problem, Values
from jupyter_qguard.settings.toml_lines import Key, key_lines, line_of, parse_toml
from jupyter_qguard.settings.words import (
    ACTIONS,
    CONTENT,
    DOORS,
    HISTORY,
    MODES,
    ON_FAILURE,
    PLAIN_ACTIONS,
    PLAIN_CONTENT,
    Role,
)
from jupyter_qguard.settings.words import Action as A

MAX_ENTRIES = 1000
MAX_PROBLEMS = 50
"""More help nobody, and looking for close names costs time."""
_TOP = (
    "version",
    "mode",
    "on_failure",
    "content",
    "doors",
    "rules",
    "exceptions",
    "paths",
    "pause",
    "kernel",
    "ledger",
)
_ENTRY = ("match", *CONTENT, "rules", "doors", "reason", "owner", "expires")
_NOT_HERE = "Move it to qguard.toml in your Jupyter config folder (`jupyter --config-dir`) or in a system one."
_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,39}")
_RULE_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


def parse_policy(
    text: str,
    *,
    role: Role,
    name: str,
    file: Path,
    base: str = "",
    known_rules: Collection[str] | None = None,
    section: Key = (),
) -> tuple[PolicyFile | None, list[Problem]]:
    """Parse the text of one policy file. Never raises for any text.

    ``known_rules`` are the rule ids that exist (None: any well-formed id); ``section`` is
    ``("tool", "qguard")`` for pyproject.toml. Returns the file, or None with at least one
    error; warnings may come with either.
    """
    data, wrong = parse_toml(text)
    if wrong:
        return None, [Problem(str(file), "", 0, f"The file {wrong}.", "Nothing of it is used.")]
    reader = _Reader(role, str(file), known_rules, section, key_lines(text))
    table: Any = data
    for part in section:
        table = table.get(part) if isinstance(table, dict) else None
    if not isinstance(table, dict):
        reader.error((), "must be a table.")
        return None, reader.problems
    parsed = reader.file(table, name, file, base)
    if any(problem.level == "error" for problem in reader.problems):
        return None, reader.problems
    return parsed, reader.problems


class _Reader:
    """Walks one table and collects every problem instead of stopping at the first."""

    def __init__(
        self, role: Role, shown: str, known: Collection[str] | None, section: Key, lines: Mapping[Key, int]
    ) -> None:
        self.role, self.shown, self.known, self.section, self.lines = role, shown, known, section, lines
        self.problems: list[Problem] = []

    def error(self, key: Key, message: str, hint: str = "", level: Literal["error", "warning"] = "error") -> None:
        if len(self.problems) < MAX_PROBLEMS:
            line = line_of(self.lines, (*self.section, *key))
            self.problems.append(Problem(self.shown, _dotted((*self.section, *key)), line, message, hint, level))

    def warning(self, key: Key, message: str, hint: str = "") -> None:
        self.error(key, message, hint, "warning")

    def file(self, table: Mapping[str, Any], name: str, file: Path, base: str) -> PolicyFile:
        self.unknown((), table, _TOP)
        version = table.get("version", 1)
        if type(version) is not int or version != 1:
            self.error(("version",), "is not a version that this release reads.", "Write version = 1.")
        mode = self._word("mode", table, MODES)
        on_failure = self._word("on_failure", table, ON_FAILURE)
        values = Values(
            self._actions(("content",), table.get("content", {}), CONTENT, "content class"),
            self._doors(("doors",), table.get("doors", {})),
            self._rules(("rules",), table.get("rules", {})),
        )
        if self.role == "project":
            self._no_effect(values)
        return PolicyFile(
            role=self.role,
            name=name,
            file=file,
            base=base,
            prefix=self.section,
            mode=mode,  # type: ignore[arg-type]  # _word returns one of MODES
            on_failure=on_failure,  # type: ignore[arg-type]  # and here of ON_FAILURE
            values=values,
            paths=self._paths(table.get("paths", [])),
            exceptions=read_exceptions(self, table.get("exceptions", {})),
            heads=self._heads(table),
            lines=self.lines,
            pause_max=self._pause_max(table),
            history=self._history(table),
        )

    def _pause_max(self, table: Mapping[str, Any]) -> timedelta | None:
        section = self._own(table, "pause", ("max",))
        if "max" not in section:
            return None
        value = section["max"]
        span = parse_duration(value) if isinstance(value, str) else None
        if span is None:
            self.error(("pause", "max"), "must be a span of time.", 'Write max = "2h", or "0" to allow no pause.')
        return span

    def _history(self, table: Mapping[str, Any]) -> Any:
        section = self._own(table, "kernel", ("history",))
        value = section.get("history")
        if value is not None and value not in HISTORY:
            self.bad_value(("kernel", "history"), value, HISTORY)
            return None
        return value

    def _own(self, table: Mapping[str, Any], name: str, keys: tuple[str, ...]) -> Mapping[str, Any]:
        """Return a section about the user's own program. A project, which anyone may send, has no say in it."""
        section: Any = table.get(name, {})
        if name in table and self.role == "project":
            self.error((name,), "does not count in a project file.", _NOT_HERE)
            return {}
        if not self.is_table((name,), section):
            return {}
        self.unknown((name,), section, keys)
        return dict(section)

    def _heads(self, table: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
        section = self._own(table, "ledger", HEADS)
        for name in section:
            wrong = why_no_place(name, section[name]) if name in HEADS else None
            if wrong:
                self.error(("ledger", name), *wrong)
        return tuple((name, section[name]) for name in HEADS if name in section)

    def _word(self, key: str, table: Mapping[str, Any], words: tuple[str, ...]) -> str | None:
        if key not in table:
            return None
        if self.role == "project":
            once = " For one run: QGUARD_MODE." if key == "mode" else ""
            self.error(
                (key,),
                "does not count in a project file.",
                f"{_NOT_HERE[:-1]}; a project file tightens by [content], [doors] and [rules].{once}",
            )
            return None
        value = table[key]
        if isinstance(value, str) and value in words:
            return value
        self.bad_value((key,), value, words)
        return None

    def _actions(self, key: Key, table: Any, names: Iterable[str], what: str) -> dict[str, A]:
        if not self.is_table(key, table):
            return {}
        self.unknown(key, table, tuple(names), what)
        found = {}
        for name in names:
            if name in table:
                action = self._action((*key, name), table[name], name in PLAIN_CONTENT)
                if action is not None:
                    found[name] = action
        return found

    def _doors(self, key: Key, table: Any) -> dict[str, dict[str, A]]:
        if not self.is_table(key, table):
            return {}
        self.unknown(key, table, DOORS, "door")
        return {
            door: self._actions((*key, door), table[door], CONTENT, "content class") for door in DOORS if door in table
        }

    def _rules(self, key: Key, table: Any) -> dict[str, A]:
        if not self.is_table(key, table):
            return {}
        found = {}
        for rule, value in table.items():
            if self.known is not None and rule not in self.known:
                self._unknown_name((*key, rule), rule, self.known, "rule", "`qguard rules list` shows every rule.")
            elif not _RULE_ID.fullmatch(rule):
                self.error((*key, rule), "is not a rule id.", "Rule ids look like vendor-kind.")
            else:
                action = self._action((*key, rule), value, False)
                if action is not None:
                    found[rule] = action
        return found

    def _paths(self, entries: Any) -> tuple[PathEntry, ...]:
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            self.error(("paths",), "must be a list of tables.", "Write [[paths]] above each entry.")
            return ()
        if len(entries) > MAX_ENTRIES:
            self.error(("paths",), f"has more than {MAX_ENTRIES} entries.", "Join some of the patterns.")
            return ()
        found = (self._entry(index, entry) for index, entry in enumerate(entries))
        return tuple(entry for entry in found if entry is not None)

    def _entry(self, index: int, entry: Mapping[str, Any]) -> PathEntry | None:
        key: Key = ("paths", index)
        before = len(self.problems)
        self.unknown(key, entry, _ENTRY)
        match = entry.get("match")
        glob = None
        if not isinstance(match, str):
            self.error((*key, "match"), "is missing or no string.", 'Write match = "courses/**".')
        else:
            try:
                glob = compile_glob(match)
            except (ValueError, re.error) as error:
                self.error((*key, "match"), f"{error}.", 'Write match = "courses/**".')
        words = {name: self._text((*key, name), entry.get(name, "")) for name in ("reason", "owner")}
        expires = entry.get("expires")
        if expires is not None and not isinstance(expires, date):  # a datetime is a date
            self.error((*key, "expires"), "must be a date without quotes.", "Write expires = 2027-01-01.")
        values = Values(
            self._actions(key, {name: entry[name] for name in CONTENT if name in entry}, CONTENT, "content class"),
            self._doors((*key, "doors"), entry.get("doors", {})),
            self._rules((*key, "rules"), entry.get("rules", {})),
        )
        if len(self.problems) > before or glob is None:
            return None
        if not (values.content or values.rules or any(values.doors.values())):
            self.error(key, "sets nothing.", 'Add what it changes, such as text = "allow".')
            return None
        self._needs_reason(key, values, words)
        return PathEntry(glob=glob, values=values, index=index, expires=expires, **words)

    def _needs_reason(self, key: Key, values: Values, words: Mapping[str, str]) -> None:
        missing = [name for name in ("reason", "owner") if not words[name]]
        weaker = weakened(values)
        if weaker and missing:
            lines = " and ".join(f'{name} = "…"' for name in missing)
            message = f"weakens the default, which needs {' and '.join(missing)}."
            self.error((*key, *weaker), message, f"Add {lines} to this [[paths]] entry.")

    def _no_effect(self, values: Values) -> None:
        weaker = weakened(values, ("content",))
        if weaker:
            message = "is below the default; a project file only tightens, so this lowers nothing."
            hint = "To weaken, use [[paths]] with reason and owner, or the user's qguard.toml."
            self.warning(weaker, message, hint)

    def _text(self, key: Key, value: Any) -> str:
        if isinstance(value, str):
            return value.strip()
        self.error(key, "must be a string.")
        return ""

    def _action(self, key: Key, value: Any, plain: bool) -> A | None:
        allowed = PLAIN_ACTIONS if plain else ACTIONS
        if isinstance(value, str) and value in allowed:
            return allowed[value]
        if plain and isinstance(value, str) and value in ACTIONS:
            self.error(key, "must be allow, warn or block.", "What is no notebook is never rewritten or held.")
        else:
            self.bad_value(key, value, tuple(allowed))
        return None

    def bad_value(self, key: Key, value: Any, words: Collection[str]) -> None:
        near = difflib.get_close_matches(value.lower()[:40], words, 1, 0.6) if isinstance(value, str) else []
        hint = f'Did you mean "{near[0]}"?' if near else ""
        self.error(key, f"must be one of {', '.join(words)}.", hint)

    def is_table(self, key: Key, table: Any) -> bool:
        if isinstance(table, dict):
            return True
        self.error(key, "must be a table.", 'Write it as { text = "block" }.' if "doors" in key else "")
        return False

    def unknown(self, key: Key, table: Mapping[str, Any], names: Collection[str], what: str = "key") -> None:
        for name in table:
            if name not in names:
                hint = f"Put it under [content]: {name} is a content class." if name in CONTENT else ""
                self._unknown_name((*key, name), name, names, what, hint or f"Valid: {', '.join(names)}.")

    def _unknown_name(self, key: Key, name: str, names: Collection[str], what: str, hint: str) -> None:
        full = len(self.problems) >= MAX_PROBLEMS
        near = [] if full else difflib.get_close_matches(name[:60], list(names), 1, 0.6)
        self.error(key, f"is an unknown {what}.", f"Did you mean {near[0]}?" if near else hint)


def weakened(values: Values, table: Key = ()) -> Key:
    """Return the key of the first value that is below what every file gets by default, () if there is none.

    ``table`` is where content classes stand: () in a ``[[paths]]`` entry, where they also beat ``[doors]``,
    and ``("content",)`` at the top of a file, where they do not.

    Rules count as below at ``allow`` only: at ``warn`` an entropy rule is at its default. Such an entry
    without reason and owner is accepted and simply never lowers anything.
    """
    for name, action in values.content.items():
        strictest = DEFAULTS.values.content[name]
        if not table:
            strictest = max(strictest, *(DEFAULTS.values.door(door, name) or strictest for door in DOORS))
        if action < strictest:
            return (*table, name)
    for door, classes in values.doors.items():
        for name, action in classes.items():
            if action < (DEFAULTS.values.door(door, name) or DEFAULTS.values.content[name]):
                return ("doors", door, name)
    for rule, action in values.rules.items():
        if action is A.ALLOW:
            return ("rules", rule)
    return ()


def _dotted(key: Key) -> str:
    """Return ``paths[0].text``. A name that looks like anything else than a setting's is not quoted."""
    shown = ""
    for part in key:
        if isinstance(part, int):
            shown += f"[{part}]"
        else:
            plain = _NAME.fullmatch(part) and sum(letter.isdigit() for letter in part) <= 4
            shown += ("." if shown else "") + (part if plain else "<…>")
    return shown
