"""The baseline that a command works on: where it is, what it says, writing it, and what a project holds of it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_qguard.cli import exits
from jupyter_qguard.cli.files import relative, root_of, select
from jupyter_qguard.cli.judge import Judge
from jupyter_qguard.cli.names import harmless, shown
from jupyter_qguard.cli.output import write_atomically
from jupyter_qguard.errors import ConfigError, InputError, QGuardError
from jupyter_qguard.settings.baseline_file import BASELINE_NAME, BaselineFile, Entry, parse_baseline
from jupyter_qguard.settings.baseline_text import new_baseline, with_entry, without

if TYPE_CHECKING:
    from jupyter_qguard.cli.asked import Look
    from jupyter_qguard.policy.model import Judged

UNION = f"{BASELINE_NAME} merge=union"
"""What .gitattributes says, so that git takes both sides' lines where two people accept something at once."""


@dataclass(slots=True)
class Book:
    """One baseline on disk, read anew before each change. ``base`` is its folder below ``root``, "" for the root."""

    path: Path
    root: Path
    base: str = ""
    _new: str = ""

    @property
    def label(self) -> str:
        """The file's name for a person, short where it is below the current folder."""
        near = os.path.relpath(self.path)
        return shown(self.path if near.startswith("..") else near)

    @property
    def exists(self) -> bool:
        """Whether the file is there."""
        return self.path.exists()

    def read(self) -> tuple[str, BaselineFile]:
        """Return text and entries; those of an empty baseline where none is there. Raises ConfigError, InputError."""
        if not self.exists:
            from jupyter_qguard.scan.baseline import new_salt

            text = self._new = self._new or new_baseline(new_salt())  # one salt, however often it is asked for
        else:
            if not self.path.is_file():  # a named pipe would hold us up for ever
                raise InputError(f"{self.label} is not a regular file.", "Move it away.")
            try:
                text = self.path.read_bytes().decode("utf-8-sig")
            except UnicodeDecodeError:
                raise ConfigError(f"{self.label} is not UTF-8 text.", "Restore it from git.") from None
            except OSError as error:
                raise InputError(f"{self.label} cannot be read: {exits.os_reason(error)}.") from None
        parsed, problems = parse_baseline(text, self.path, self.path.name, self.base)
        if parsed is None:
            raise ConfigError(harmless(problems[0].sentence()), "Nothing was changed.")
        return text, parsed

    def put(self, *entries: Entry) -> list[str]:
        """Add or renew entries. Returns what else was done, in sentences. Raises InputError, ConfigError."""
        return self.start(self.read()[0], entries)

    def start(self, text: str, entries: Sequence[Entry]) -> list[str]:
        """Write ``text`` with the entries added. Returns what else was done. Raises InputError."""
        for entry in entries:
            text = with_entry(text, entry)
        fresh = not self.exists
        write_atomically(self.path, text.encode())
        return _attributes(self.path.parent) if fresh else []

    def drop(self, digests: Sequence[str]) -> None:
        """Remove entries. Raises InputError, ConfigError."""
        write_atomically(self.path, without(self.read()[0], digests).encode())


def _attributes(folder: Path) -> list[str]:
    """Tell git how to merge a new baseline. Not being able to is no failure: then a merge may ask."""
    target = folder / ".gitattributes"
    if not any((above / ".git").exists() for above in (folder.absolute(), *folder.absolute().parents)):
        return []
    try:
        text = target.read_text("utf-8") if target.exists() else ""
        if any(line.split()[:1] == [BASELINE_NAME] for line in text.splitlines()):
            return []
        gap = "\n" if text and not text.endswith("\n") else ""
        write_atomically(target, f"{text}{gap}{UNION}\n".encode())
    except (OSError, ValueError, QGuardError):
        return [f"{shown(target)} could not be written; a line `{UNION}` there lets git merge baselines by itself."]
    return [f"{shown(target)}: git merges baselines line by line; commit it, too."]


def book_of(path: Path, cwd: Path, named: str | None) -> Book:
    """Return the baseline that counts for ``path``: the one named, the nearest upward, else a new one at the root."""
    root = root_of(path, cwd)
    if named is not None:
        return Book(Path(named), root)
    here = root / relative(path, root, cwd)
    folder = here if here.is_dir() else here.parent
    for candidate in (folder, *folder.parents):
        if (candidate / BASELINE_NAME).exists():
            base = candidate.relative_to(root).as_posix() if candidate.is_relative_to(root) else ""
            return Book(candidate / BASELINE_NAME, root, "" if base == "." else base)
        if candidate == root:
            break
    return Book(root / BASELINE_NAME, root)


@dataclass(slots=True)
class Seen:
    """One file with findings."""

    label: str
    path: str
    root: Path
    look: Look

    def value(self, number: int) -> bytes:
        """Return what tells the value of a finding from others."""
        from jupyter_qguard.scan.baseline import identity

        return identity(self.look.scan.value(number))

    def digests(self, number: int, baseline: BaselineFile) -> list[str]:
        """Return the digests of a finding's value under each salt of a baseline."""
        from jupyter_qguard.scan.baseline import digest

        return [digest(self.look.scan.value(number), salt) for salt in baseline.salts]

    def numbered(self) -> Iterator[tuple[int, Judged]]:
        """Yield (number, finding as judged)."""
        yield from enumerate(self.look.decision.judged)


@dataclass(slots=True)
class Project:
    """Everything that was looked at, and what could not be."""

    seen: list[Seen] = field(default_factory=list)
    files: int = 0
    failed: int = 0


def project(judge: Judge, paths: Sequence[str]) -> Project:
    """Judge files and folders. What cannot be judged is said on stderr and counted. Raises ConfigError."""
    found = Project()
    for chosen in select(paths).files:
        found.files += 1
        root = root_of(chosen.path, judge.cwd, chosen.base)
        problem = chosen.problem
        if not problem:
            try:
                path = relative(chosen.path, root, judge.cwd)
                look = judge.look(chosen.path.read_bytes(), shown(path), root)
                if look.decision.judged:
                    found.seen.append(Seen(chosen.label, shown(path), root, look))
                continue
            except OSError as error:
                problem = f"{exits.os_reason(error)}."
            except QGuardError as error:
                if error.code == "config":
                    raise
                problem = error.sentence()
            except Exception as error:  # its text may quote the content
                problem = f"the scanner failed on it ({exits.place(error)})."
        found.failed += 1
        exits.say(f"qguard: {chosen.label}: {problem}")
    return found


def now() -> datetime:
    """Return the time that entries are held against."""
    return datetime.now(UTC)
