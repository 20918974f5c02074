"""Which files a command line names: folders walked, what was left out said, order the same everywhere."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jupyter_qguard.cli.exits import os_reason
from jupyter_qguard.cli.names import shown
from jupyter_qguard.errors import InputError
from jupyter_qguard.paths import relative as relative
from jupyter_qguard.paths import root_of as root_of

SKIPPED_FOLDERS = frozenset(
    {
        ".git", ".hg", ".svn", ".jj", "node_modules", "__pycache__", ".venv", ".tox", ".nox",
        ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".ipython_cache",
    }
)  # fmt: skip
"""Made by tools from other files, or a tool's own store; ``.ipynb_checkpoints`` is not among them: it is content."""

STDIN = "-"


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something below a named folder that was not looked at, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """One file to judge. ``problem`` is set where it cannot be read at all (exit 2).

    ``base`` is the folder that was named, where the file was found by walking one.
    """

    path: Path
    label: str
    size: int = 0
    problem: str = ""
    base: Path | None = None


@dataclass(slots=True)
class Selection:
    """Everything that the arguments name. ``files`` holds each file once, in the order given, folders sorted."""

    files: list[Chosen]
    skipped: list[Skipped]


def read_stdin() -> bytes:
    """Return all of stdin. Raises InputError where there is none."""
    if sys.stdin is None:
        raise InputError("There is no standard input to read.", "Pipe the content in, or name a file.")
    return sys.stdin.buffer.read()


def select(arguments: Sequence[str]) -> Selection:
    """Return the files that ``arguments`` name. Never raises for a path: what fails is in ``problem``."""
    selection = Selection([], [])
    seen: set[str] = set()
    for argument in arguments:
        path = Path(argument)
        for chosen in _expand(path, selection.skipped):
            identity = os.path.normpath(chosen.path)
            if identity not in seen:
                seen.add(identity)
                selection.files.append(chosen)
    return selection


def _expand(path: Path, skipped: list[Skipped]) -> Iterator[Chosen]:
    try:
        info = path.stat()
    except OSError as error:
        yield Chosen(path, shown(path), problem=_missing(error))
        return
    except ValueError:  # a NUL byte
        yield Chosen(path, "(a name with a NUL byte)", problem="no such file. Check the name.")
        return
    if stat.S_ISDIR(info.st_mode):
        yield from _walk(path, path, skipped)
    else:  # a pipe or device named on purpose is read: `qguard scan <(command)`
        yield Chosen(path, shown(path), info.st_size)


def _missing(error: OSError) -> str:
    advice = "Check the name." if isinstance(error, FileNotFoundError) else "Check its permissions."
    return f"{os_reason(error)}. {advice}"


def _walk(folder: Path, base: Path, skipped: list[Skipped]) -> Iterator[Chosen]:
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: os.fsencode(entry.name))
    except OSError as error:
        yield Chosen(folder, shown(folder), problem=f"{os_reason(error)}. Check the folder's permissions.")
        return
    for entry in entries:
        # Path() drops a leading "./", so a file has one label however its folder was named.
        path = folder / entry.name
        try:
            if entry.is_dir(follow_symlinks=False):
                reason = _left_out(entry)
                if reason:
                    skipped.append(Skipped(shown(path), reason))
                else:
                    yield from _walk(path, base, skipped)
                continue
            info = entry.stat()
        except OSError as error:
            if entry.is_symlink():
                skipped.append(Skipped(shown(path), "a link to nothing"))
            else:
                yield Chosen(path, shown(path), problem=_missing(error))
            continue
        if stat.S_ISDIR(info.st_mode):
            skipped.append(Skipped(shown(path), "a link to a folder"))
        elif stat.S_ISREG(info.st_mode):
            yield Chosen(path, shown(path), info.st_size, base=base)
        else:
            skipped.append(Skipped(shown(path), "not a regular file"))


def _left_out(entry: os.DirEntry[str]) -> str:
    """Return why a folder is not walked, or nothing. A virtual environment is known by its marker file."""
    if entry.name in SKIPPED_FOLDERS:
        return "a tool's own folder"
    if os.path.exists(os.path.join(entry.path, "pyvenv.cfg")):  # noqa: PTH110, PTH118  (hot: once per folder)
        return "a virtual environment"
    return ""
