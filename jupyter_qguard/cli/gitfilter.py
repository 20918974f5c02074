"""The git filter: what goes into git is redacted, and what was cut out is kept before it can be lost.

The work tree still holds a value when git takes the redacted text. But git calls that file unmodified from then on,
and the next checkout, reset, stash or rebase writes the redacted text over it. So this is where the value is kept.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from jupyter_qguard.cli import exits, pktline
from jupyter_qguard.cli.judge import Judge
from jupyter_qguard.cli.names import harmless, shown
from jupyter_qguard.errors import InputError, KeepError, QGuardError

if TYPE_CHECKING:
    from jupyter_qguard.cli.asked import Look

_CAPABILITIES = (b"capability=clean", b"capability=smudge")
_LOOKING = frozenset({"status", "describe", "ls-files"})
"""Commands of git that clean a file only to compare it: they store nothing and overwrite nothing."""
_WITH_VALUE = frozenset({"-c", "-C", "--git-dir", "--work-tree", "--namespace", "--exec-path", "--config-env"})
_GENERATIONS = 4


@dataclass(slots=True)
class Cleaner:
    """Redacts one file after another for git. Ids come from a shared key or are zeros: every run writes the same."""

    judge: Judge
    looking: bool | None = None
    """Whether git only compares; None until somebody had to know."""
    said: set[str] = field(default_factory=set)

    @classmethod
    def here(cls, env: Mapping[str, str]) -> Cleaner:
        """Return a cleaner for the folder that git started us in (the top of the work tree)."""
        return cls(Judge(Path.cwd(), env, own_key=False))

    def clean(self, name: str, data: bytes) -> bytes:
        """Return what git is to store of a file. ``name`` is relative to the current folder.

        Raises QGuardError where it cannot be judged, recorded or kept: nothing must be stored then. Where git only
        compares (``git status``), what cannot be cleaned is handed back as it is, which shows it as modified.
        """
        try:
            return self._clean(name, data)
        except QGuardError as error:
            if not self._only_looking():
                raise
            self._say(f"qguard: {shown(name)}: `git add` will refuse it: {error.message}")
            return data

    def _clean(self, name: str, data: bytes) -> bytes:
        from jupyter_qguard.cli import asked
        from jupyter_qguard.guard import Request

        label, path, root = self.judge.stdin(name)
        try:
            look = self.judge.look(data, path, root)
            chosen = look.to_cut()
            if not chosen:
                return data
            self._cuttable(look)
            request = Request("commit", path, sole_copy=True)
            # The record is made where it can be: a read-only home must not stop a filter that has nothing to keep.
            record = None if self._only_looking() else False
            done = asked.cut(self.judge.guard(root), look, chosen, request, record=record)
        except KeepError as error:
            hint = "Take the value out of the notebook first; the file on the disk still holds it."
            raise KeepError(f"its secret could not be kept. {error.message}", hint) from None
        except QGuardError:
            raise
        except Exception as error:  # its text may quote the content
            raise InputError(f"it could not be judged ({exits.place(error)}).", "Run `qguard doctor`.") from None
        if not self._only_looking():
            self._say(f"{label}: {done.message.replace('Written', 'Goes into git', 1)}")
        return done.content

    @staticmethod
    def _cuttable(look: Look) -> None:
        if look.scan.problem:
            raise InputError(harmless(look.scan.problem), "Something in it looks like a secret; mend the notebook.")
        if look.scan.kind == "opaque":
            raise InputError("what was found cannot be cut out of this kind of file.", "Remove it by hand.")

    def _say(self, line: str) -> None:
        if line not in self.said:  # git may clean a file twice in one command
            self.said.add(line)
            exits.say(line)

    def _only_looking(self) -> bool:
        if self.looking is None:
            self.looking = asking_command() in _LOOKING
        return self.looking


def once(name: str, source: BinaryIO, target: BinaryIO, env: Mapping[str, str]) -> int:
    """Clean one file from stdin to stdout (git's ``clean``). Nothing is written where it cannot be cleaned."""
    data = source.read()
    try:
        cleaned = Cleaner.here(env).clean(name, data)
    except QGuardError as error:
        exits.say(f"qguard: {shown(name)}: {error.sentence()}")
        return exits.FAILED
    target.write(cleaned)
    target.flush()
    return exits.CLEAN


def serve(source: BinaryIO, target: BinaryIO, env: Mapping[str, str]) -> int:
    """Answer git until it closes (git's ``process``): one start for any number of files.

    A file that cannot be cleaned gets ``status=error``; with ``required = true`` git then stops. On the way out of
    git nothing is changed. Raises InputError for a caller that is not git.
    """
    try:
        if pktline.lines(source)[:1] != [b"git-filter-client"]:
            raise InputError("What came in is not what git sends to a filter.", "This command is for git.")
        pktline.write_lines(target, b"git-filter-server", b"version=2")
        pktline.lines(source)
        pktline.write_lines(target, *_CAPABILITIES)
        cleaner = Cleaner.here(env)
        while True:
            _answer(source, target, cleaner)
    except EOFError:
        return exits.CLEAN


def _answer(source: BinaryIO, target: BinaryIO, cleaner: Cleaner) -> None:
    asked = dict(line.partition(b"=")[::2] for line in pktline.lines(source))
    data = b"".join(pktline.packets(source))
    name = os.fsdecode(asked.get(b"pathname", b""))
    try:
        done = cleaner.clean(name, data) if asked.get(b"command") == b"clean" else data
    except QGuardError as error:
        exits.say(f"qguard: {shown(name)}: {error.sentence()}")
        pktline.write_lines(target, b"status=error")
        return
    pktline.write_lines(target, b"status=success")
    pktline.write_data(target, done)
    pktline.write_lines(target)  # the status stands


def asking_command() -> str:
    """Return git's command (``add``, ``status``, ``checkout``, …) on whose behalf we run, or nothing if unknown.

    git does not tell a filter why it asks. The answer only ever decides whether to stop ``git status``; not knowing
    means no.
    """
    process = os.getppid()
    for _ in range(_GENERATIONS):
        parent, words = _process(process)
        if words and re.fullmatch(r"git(\.exe)?", os.path.basename(words[0])):  # noqa: PTH119
            return _command(words[1:])
        if parent <= 1:
            return ""
        process = parent
    return ""


def _command(words: list[str]) -> str:
    rest = iter(words)
    for word in rest:
        if word in _WITH_VALUE:
            next(rest, "")
        elif not word.startswith("-"):
            return word
    return ""


def _process(number: int) -> tuple[int, list[str]]:
    """Return (parent, command line) of a process, (0, []) where it cannot be seen."""
    folder = Path(f"/proc/{number}")
    try:
        status = (folder / "stat").read_text("utf-8", "replace")
        words = (folder / "cmdline").read_bytes().split(b"\0")
        return int(status.rpartition(")")[2].split()[1]), [os.fsdecode(word) for word in words if word]
    except (OSError, ValueError, IndexError):
        return _process_by_ps(number)


def _process_by_ps(number: int) -> tuple[int, list[str]]:
    try:
        done = subprocess.run(  # noqa: S603
            ["ps", "-o", "ppid=,args=", "-p", str(number)],  # noqa: S607
            capture_output=True, text=True, check=False, timeout=5,
        )  # fmt: skip
        parent, *words = done.stdout.split()
        return int(parent), words
    except (OSError, ValueError, subprocess.SubprocessError):
        return 0, []
