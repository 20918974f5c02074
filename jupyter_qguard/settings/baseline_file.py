"""The baseline file: reviewed exceptions of a project, as frozen values, and everything that can be wrong with it.

One entry is one line, so that accepting a finding adds one line to a diff and two people's lines merge::

    version = 1
    salts = [
      "0f…",
    ]

    [accepted]
    3c… = { rule = "…", reason = "…", owner = "…", expires = 2027-01-01, path = "…", cell_id = "…", field = "…" }

The key is a digest (``scan/baseline.py``) of rule and value. ``path``, ``cell_id`` and ``field`` tell a person where
the value stood when it was accepted; they decide nothing. ``only`` does: a pattern that limits the entry to paths.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from jupyter_qguard.settings.exceptions import has_expired
from jupyter_qguard.settings.glob import Glob, compile_glob
from jupyter_qguard.settings.policy_file import Problem
from jupyter_qguard.settings.reader import UnreadableError, Watched
from jupyter_qguard.settings.toml_lines import Key, key_lines, line_of, parse_toml

BASELINE_NAME = ".qguard-baseline.toml"
TABLE = "accepted"
HINTS = ("path", "cell_id", "field")
KEYS = ("rule", "reason", "owner", "expires", *HINTS, "only", "guessable")
REQUIRED = ("rule", "reason", "owner", "expires")
MAX_ENTRIES = 5000
MAX_SALTS = 8
MAX_PROBLEMS = 20
LONGEST = 500
"""Characters of a reason, owner or hint."""
DIGEST = re.compile(r"[0-9a-f]{32}")
SALT = re.compile(r"[0-9a-f]{8}(?:-?[0-9a-f]{8}){3,15}")
"""In groups of eight: in one piece a scanner would take it for a secret."""
_RULE_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_MARKS = re.compile(r"^(?:<{7}|={7}|>{7}|\|{7})(?: |$)")
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Entry:
    """One reviewed exception. ``guessable``: accepted although its value could be guessed from the digest."""

    digest: str
    rule: str
    reason: str
    owner: str
    expires: date
    path: str = ""
    cell_id: str = ""
    field: str = ""
    only: str = ""
    guessable: bool = False
    line: int = 0

    def covers(self, path: str) -> bool:
        """Return whether the entry counts at ``path``, relative to the baseline's folder."""
        return not self.only or _glob(self.only).matches(path)


@dataclass(frozen=True)
class BaselineFile:
    """One parsed baseline. ``base`` is the folder it counts in, relative to the root, "" for the root."""

    name: str
    file: Path
    base: str
    salts: tuple[str, ...]
    entries: tuple[Entry, ...]

    @cached_property
    def rules(self) -> frozenset[str]:
        """The rules that have an entry: nothing else is worth a digest."""
        return frozenset(entry.rule for entry in self.entries)

    @cached_property
    def _by_digest(self) -> Mapping[tuple[str, str], Entry]:
        return {(entry.rule, entry.digest): entry for entry in self.entries}

    def find(self, rule: str, digest: str) -> Entry | None:
        """Return the entry of a digest under exactly this rule."""
        return self._by_digest.get((rule, digest))

    def below(self, path: str) -> str:
        """Return a path (relative to the root) relative to the baseline's folder."""
        return path[len(self.base) + 1 :] if self.base and path.startswith(self.base + "/") else path

    def digest(self, now: datetime) -> str:
        """Return SHA-256 (hex) over what counts at ``now``, for whoever caches a judgement."""
        live = sorted(
            (e.rule, e.digest, e.only, e.owner, e.guessable, str(e.expires))
            for e in self.entries
            if not has_expired(e.expires, now)
        )
        return hashlib.sha256(json.dumps([sorted(self.salts), live]).encode()).hexdigest()


class WatchedBaseline(Watched):
    """One baseline on disk. ``good`` is what it says now, None if it is not there or cannot be used.

    Unlike a policy, no earlier version is kept: without its exceptions the guard is stricter, never laxer.
    """

    def __init__(self, path: Path, name: str, base: str = "", known_rules: Collection[str] | None = None) -> None:
        super().__init__(path)
        self.name, self.base, self.known_rules = name, base, known_rules
        self.good: BaselineFile | None = None

    def _gone(self) -> None:
        self.good = None

    def _unusable(self) -> None:
        self.good = None

    def _parse(self, raw: bytes) -> None:
        self.present, self.good = True, None
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise UnreadableError("is not UTF-8 text") from None
        self.good, problems = parse_baseline(text, self.path, self.name, self.base, self.known_rules)
        self.problems = tuple(problems)


def parse_baseline(
    text: str, file: Path, name: str = "", base: str = "", known_rules: Collection[str] | None = None
) -> tuple[BaselineFile | None, list[Problem]]:
    """Parse the text of a baseline. Never raises for any text; one wrong entry makes the whole file unusable."""
    shown = str(file)
    for number, line in enumerate(text.split("\n"), start=1):
        if _MARKS.match(line):
            hint = "Keep the lines of both sides and remove the marks; a salt that entries need must stay."
            return None, [Problem(shown, "", number, "The file holds the marks of an unfinished merge.", hint)]
    data, wrong = parse_toml(text)
    if wrong:
        hint = "After a merge: keep one line per entry, and each key once."
        return None, [Problem(shown, "", 0, f"The file {wrong}.", hint)]
    reader = _Reader(shown, known_rules, key_lines(text))
    parsed = reader.file(data, file, name, base)
    broken = any(problem.level == "error" for problem in reader.problems)
    return None if broken else parsed, reader.problems


class _Reader:
    """Walks the table and collects problems."""

    def __init__(self, shown: str, known: Collection[str] | None, lines: Mapping[Key, int]) -> None:
        self.shown, self.known, self.lines = shown, known, lines
        self.problems: list[Problem] = []

    def _say(self, key: Key, message: str, hint: str = "", *, error: bool = True) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            # A digest in a message would help nobody: the line says which entry it is.
            named = f"{key[0]}.<entry>.{key[2]}" if len(key) > 2 else ".".join(str(part) for part in key[:1])
            line = line_of(self.lines, key)
            self.problems.append(Problem(self.shown, named, line, message, hint, "error" if error else "warning"))

    def file(self, data: Mapping[str, Any], file: Path, name: str, base: str) -> BaselineFile:
        for key in data:
            if key not in ("version", "salts", TABLE):
                self._say(("the file",), "has a key that is none of version, salts, accepted.")
        version = data.get("version")
        if type(version) is not int or version != 1:
            self._say(("version",), "is missing or not a version that this release reads.", "Write version = 1.")
        salts = data.get("salts")
        if not isinstance(salts, list) or not all(isinstance(salt, str) and SALT.fullmatch(salt) for salt in salts):
            self._say(("salts",), "must be a list of strings of 32 or more hexadecimal digits in groups of 8.")
            salts = []
        elif not 1 <= len(salts) <= MAX_SALTS:
            self._say(("salts",), f"must be one to {MAX_SALTS} salts.", "A new one never fits an old entry.")
        table = data.get(TABLE, {})
        if not isinstance(table, dict) or len(table) > MAX_ENTRIES:
            self._say((TABLE,), f"must be a table of at most {MAX_ENTRIES} entries.")
            table = {}
        entries = (self._entry(str(digest), value) for digest, value in table.items())
        found = tuple(sorted((entry for entry in entries if entry is not None), key=lambda entry: entry.digest))
        return BaselineFile(name, file, base, tuple(salt.replace("-", "") for salt in salts), found)

    def _entry(self, digest: str, value: Any) -> Entry | None:
        key: Key = (TABLE, digest)
        before = len(self.problems)
        if not DIGEST.fullmatch(digest):
            self._say(key, "holds a key that is no digest (32 hexadecimal digits).", "Use `qguard baseline accept`.")
        if not isinstance(value, dict):
            self._say(key, "holds an entry that is no table.", 'Write { rule = "…", … }.')
            return None
        for name in value:
            if name not in KEYS:
                near = difflib.get_close_matches(name[:40], KEYS, 1, 0.6)
                hint = f"Did you mean {near[0]}?" if near else f"Valid: {', '.join(KEYS)}."
                self._say(key, "holds an entry with an unknown key.", hint)
        for name in REQUIRED:
            if name not in value or (isinstance(value[name], str) and not value[name].strip()):
                self._say(key, f"holds an entry without {name}.", f"Add {name}, or remove the line.")
        words = {name: self._text((*key, name), value.get(name, "")) for name in KEYS if name not in _NO_TEXT}
        expires, guessable = value.get("expires"), value.get("guessable", False)
        if "expires" in value and not isinstance(expires, date):  # a datetime is a date
            self._say((*key, "expires"), "must be a date without quotes.", "Write expires = 2027-01-01.")
        if type(guessable) is not bool:
            self._say((*key, "guessable"), "must be true or false.")
        if words["only"]:
            try:
                _glob(words["only"])
            except (ValueError, re.error) as error:
                self._say((*key, "only"), f"{error}.", 'Write only = "courses/**".')
        elif "only" in value:  # it says that the entry is limited, and would limit nothing
            self._say((*key, "only"), "names no path.", 'Write only = "courses/**", or leave it out.')
        elif guessable is True:
            self._say(key, "holds a guessable entry without `only`.", "Say for which paths it is to count.")
        if words["rule"] and not _RULE_ID.fullmatch(words["rule"]):
            self._say((*key, "rule"), "is not a rule id.", "`qguard rules list` shows every rule.")
        if len(self.problems) > before:
            return None
        if self.known is not None and words["rule"] not in self.known:
            self._say((*key, "rule"), "is a rule that this version does not have; the entry waits.", error=False)
        if not isinstance(expires, date):
            return None
        return Entry(digest=digest, expires=expires, guessable=guessable, line=line_of(self.lines, key), **words)

    def _text(self, key: Key, value: Any) -> str:
        if not isinstance(value, str):
            self._say(key, "must be a string.")
            return ""
        if len(value) > LONGEST or _CONTROLS.search(value):
            self._say(key, f"must be one line of at most {LONGEST} characters.")
            return ""
        return value.strip()


_NO_TEXT = ("expires", "guessable")
_globs: dict[str, Glob] = {}


def _glob(pattern: str) -> Glob:
    """Return a compiled pattern, kept: an entry is asked about at every judgement. Raises ValueError."""
    found = _globs.get(pattern)
    if found is None:
        if len(_globs) > MAX_ENTRIES:
            _globs.clear()
        found = _globs[pattern] = compile_glob(pattern)
    return found
