"""What the next commit holds: read from git's index, never from the work tree."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jupyter_qguard.errors import InputError

_LINK, _SUBMODULE = "120000", "160000"


@dataclass(frozen=True, slots=True)
class Staged:
    """One entry of the index. ``path`` is relative to the repository's root; ``blob`` is its object name."""

    path: str
    blob: str
    mode: str
    conflict: bool = False

    @property
    def readable(self) -> bool:
        """Whether the entry is a file (a submodule has no content here; a link's content is a name)."""
        return self.mode not in (_LINK, _SUBMODULE)


def toplevel(cwd: Path) -> Path:
    """Return the root of the repository that holds ``cwd``. Raises InputError outside one."""
    return Path(os.fsdecode(_git(cwd, "rev-parse", "--show-toplevel").rstrip(b"\n")))


def staged(cwd: Path, paths: Sequence[str]) -> list[Staged]:
    """Return the files that the next commit adds or changes, in the index's order.

    ``paths`` (relative to ``cwd``) narrow the list; empty means the whole repository. Deleted files
    are left out: they bring nothing in.
    """
    # Paths are taken as they are; only the whole repository needs git's ":/".
    literal = ["--literal-pathspecs"] if paths else []
    scope = ["--", *(paths or [":/"])]
    differing = ["diff", "--cached", "--name-only", "--no-renames", "--no-ext-diff", "--diff-filter=d", "-z"]
    changed = set(_names(_git(cwd, *literal, *differing, *scope)))
    entries: dict[str, Staged] = {}
    for row in _git(cwd, *literal, "ls-files", "--stage", "--full-name", "-z", *scope).split(b"\0"):
        if not row:
            continue
        facts, name = row.split(b"\t", 1)
        mode, blob, stage = facts.decode("ascii").split(" ")
        path = os.fsdecode(name)
        if path in changed or stage != "0":
            entries[path] = Staged(path, blob, mode, stage != "0")
    return list(entries.values())


def contents(top: Path, entries: Sequence[Staged]) -> Iterator[tuple[Staged, bytes]]:
    """Yield each entry with its bytes, by one ``git cat-file --batch``. Raises InputError if git stops."""
    if not entries:
        return
    with subprocess.Popen(
        ["git", "cat-file", "--batch"],  # noqa: S607  (the user's own git)
        cwd=top,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as batch:
        if batch.stdin is None or batch.stdout is None:
            raise InputError("git could not be started.")
        for entry in entries:
            batch.stdin.write(entry.blob.encode("ascii") + b"\n")
            batch.stdin.flush()
            header = batch.stdout.readline().split()
            if len(header) != 3 or header[1] != b"blob":
                raise InputError("git could not read a staged file.", "Try: git fsck")
            size = int(header[2])
            data = batch.stdout.read(size + 1)
            if len(data) != size + 1:
                raise InputError("git stopped in the middle of a staged file.", "Try: git fsck")
            yield entry, data[:-1]
        batch.stdin.close()


def _names(listing: bytes) -> list[str]:
    return [os.fsdecode(name) for name in listing.split(b"\0") if name]


def _git(cwd: Path, *arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", *arguments], cwd=cwd, capture_output=True, check=False)  # noqa: S603, S607
    except FileNotFoundError:
        raise InputError("git was not found.", "Install git, or scan files without --staged.") from None
    if done.returncode != 0:
        raise InputError(
            "git could not list what is staged here.", "Run inside a repository, and check the paths given."
        )
    return done.stdout
