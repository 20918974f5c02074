"""Reading one file of settings, again when it changes; of a policy file, what was last good is kept."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Collection
from pathlib import Path

from jupyter_qguard.settings.policy_file import PolicyFile, Problem
from jupyter_qguard.settings.schema import parse_policy
from jupyter_qguard.settings.toml_lines import Key
from jupyter_qguard.settings.words import PYPROJECT_NAME, Role

MAX_BYTES = 1_000_000
SECTION: Key = ("tool", "qguard")
_MARKER = b"qguard"
_RACY_NS = 2_000_000_000
"""A file younger than this may change again without a new time stamp (2 s: FAT), so its bytes are read again."""

_SENTENCES = {
    errno.EACCES: "cannot be read: permission denied",
    errno.EPERM: "cannot be read: permission denied",
    errno.ELOOP: "is a circle of symbolic links",
    errno.EISDIR: "is a folder, not a file",
    errno.ENAMETOOLONG: "has a name that is too long",
}
_ABSENT = {errno.ENOENT, errno.ENOTDIR}


class UnreadableError(Exception):
    """Why a file cannot be used, as the end of a sentence that starts with "The file"."""


class Watched:
    """One candidate file. Not thread-safe: whoever holds it holds a lock.

    ``problems`` is what is wrong with the file as it stands now; ``present`` says whether it is there at all.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: tuple[Problem, ...] = ()
        self.present = False
        self._signature: tuple[int, ...] | None = None
        self._raw: bytes | None = None
        self._racy = False

    @property
    def broken(self) -> bool:
        """Whether the file as it stands cannot be used."""
        return any(problem.level == "error" for problem in self.problems)

    def refresh(self) -> None:
        """Look at the file: one ``stat`` when nothing changed. Never raises for what the file is."""
        try:
            status = self._stat()
            if status is None:
                self.problems, self.present, self._signature, self._raw = (), False, None, None
                self._gone()
                return
            signature = (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino, status.st_dev)
            if signature == self._signature and not self._racy:
                return
            self._racy = time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) < _RACY_NS
            raw = self._read(status.st_size)
            unchanged = raw == self._raw and self._signature is not None
            self._signature, self._raw = signature, raw
            if not unchanged:
                self._parse(raw)
        except UnreadableError as error:
            self._signature, self._raw, self.present = None, None, True
            self.problems = (Problem(str(self.path), "", 0, f"The file {error}.", "Nothing of it is used."),)
            self._unusable()

    def _gone(self) -> None:
        """Forget what the file said: it is not there any more."""
        raise NotImplementedError

    def _unusable(self) -> None:
        """Do what follows from a file that cannot even be read."""
        raise NotImplementedError

    def _parse(self, raw: bytes) -> None:
        """Take in what the file says now. Raises UnreadableError."""
        raise NotImplementedError

    def _stat(self) -> os.stat_result | None:
        try:
            return self.path.stat()
        except OSError as error:
            if error.errno in _ABSENT and not self.path.is_symlink():
                return None
            if error.errno in _ABSENT:  # a floor must not vanish with the target of a link
                raise UnreadableError("is a symbolic link to nothing") from None
            raise UnreadableError(_SENTENCES.get(error.errno or 0, "cannot be read")) from None
        except ValueError:  # a NUL in the name: no such file can exist
            return None

    def _read(self, size: int) -> bytes:
        try:
            # A named pipe would never answer: only regular files are opened.
            if not stat.S_ISREG(self.path.stat().st_mode):
                raise UnreadableError("is not a regular file")
            if size > MAX_BYTES:
                raise UnreadableError(f"is larger than {MAX_BYTES // 1_000_000} MB")
            with self.path.open("rb") as stream:
                raw = stream.read(MAX_BYTES + 1)
        except OSError as error:
            raise UnreadableError(_SENTENCES.get(error.errno or 0, "cannot be read")) from None
        if len(raw) > MAX_BYTES:
            raise UnreadableError(f"is larger than {MAX_BYTES // 1_000_000} MB")
        return raw


class WatchedFile(Watched):
    """One candidate policy file. ``good`` is the last policy that was right, or None.

    A pyproject.toml without ``[tool.qguard]`` is not ``present``.
    """

    def __init__(
        self, path: Path, role: Role, name: str, base: str = "", known_rules: Collection[str] | None = None
    ) -> None:
        super().__init__(path)
        self.role, self.name, self.base, self.known_rules = role, name, base, known_rules
        self.good: PolicyFile | None = None

    def _gone(self) -> None:
        self.good = None

    def _unusable(self) -> None:
        """Keep the last good policy: a floor must not vanish with a bad edit."""

    def _parse(self, raw: bytes) -> None:
        pyproject = self.path.name == PYPROJECT_NAME
        if pyproject and _MARKER not in raw:
            self.good, self.problems, self.present = None, (), False
            return
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise UnreadableError("is not UTF-8 text") from None
        if pyproject and not _names_us(text):
            self.good, self.problems, self.present = None, (), False
            return
        self.present = True
        parsed, problems = parse_policy(
            text,
            role=self.role,
            name=self.name,
            file=self.path,
            base=self.base,
            known_rules=self.known_rules,
            section=SECTION if pyproject else (),
        )
        if parsed is not None:
            self.good = parsed
        self.problems = tuple(problems)


def _names_us(text: str) -> bool:
    """Return whether a pyproject.toml has ``[tool.qguard]``. One that does not parse counts when it reads so."""
    from jupyter_qguard.settings.toml_lines import parse_toml

    data, wrong = parse_toml(text)
    if wrong:
        return "tool.qguard" in text
    tool = data.get("tool")
    return isinstance(tool, dict) and "qguard" in tool
