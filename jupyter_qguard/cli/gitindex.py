"""What the next commit holds: read from git's object store, never from the work tree."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jupyter_qguard.cli import gitcall
from jupyter_qguard.errors import InputError

_LINK, _SUBMODULE = "120000", "160000"
_POINTER = re.compile(rb"version https://git-lfs\.github\.com/spec/v1\n(?:[^\n]*\n)*?oid sha256:([0-9a-f]{64})\n")
_POINTER_SIZE = 1024


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


def staged(cwd: Path, paths: Sequence[str]) -> list[Staged]:
    """Return the files that the next commit adds or changes, in the index's order.

    ``paths`` (relative to ``cwd``) narrow the list; empty means the whole repository. Deleted files
    are left out: they bring nothing in. Raises InputError outside a work tree.
    """
    # Paths are taken as they are; only the whole repository needs git's ":/".
    literal = ["--literal-pathspecs"] if paths else []
    scope = ["--", *(paths or [":/"])]
    differing = ["diff", "--cached", "--name-only", "--no-renames", "--no-ext-diff", "--diff-filter=d", "-z"]
    listing = gitcall.run(cwd, *literal, *differing, *scope)
    changed = {os.fsdecode(name) for name in listing.split(b"\0") if name}
    return [entry for entry in indexed(cwd, paths) if entry.path in changed or entry.conflict]


def indexed(cwd: Path, paths: Sequence[str]) -> list[Staged]:
    """Return what the index holds at ``paths`` (empty: everywhere), changed or not; a conflict once."""
    literal = ["--literal-pathspecs"] if paths else []
    scope = ["--", *(paths or [":/"])]
    entries: dict[str, Staged] = {}
    for row in gitcall.run(cwd, *literal, "ls-files", "--stage", "--full-name", "-z", *scope).split(b"\0"):
        if row:
            facts, name = row.split(b"\t", 1)
            mode, blob, stage = facts.decode("ascii").split(" ")
            path = os.fsdecode(name)
            entries[path] = Staged(path, blob, mode, stage != "0")
    return list(entries.values())


def contents(top: Path, blobs: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Yield (kind, bytes) of each object, by one ``git cat-file --batch``. Raises InputError if git stops."""
    if not blobs:
        return
    with subprocess.Popen(
        ["git", "cat-file", "--batch"],  # noqa: S607  (the user's own git)
        cwd=top,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=gitcall.environment(),
    ) as batch:
        if batch.stdin is None or batch.stdout is None:
            raise InputError("git could not be started.")
        for blob in blobs:
            batch.stdin.write(blob.encode("ascii") + b"\n")
            batch.stdin.flush()
            header = batch.stdout.readline().split()
            if len(header) != 3:
                raise InputError("git could not read one of its objects.", "Try: git fsck")
            size = int(header[2])
            data = batch.stdout.read(size + 1)
            if len(data) != size + 1:
                raise InputError("git stopped in the middle of an object.", "Try: git fsck")
            yield header[1].decode("ascii"), data[:-1]
        batch.stdin.close()


def behind_pointer(data: bytes, common: Path) -> bytes | None:
    """Return ``data``; for a git-lfs pointer the content that it stands for, or None where that is not here.

    git-lfs puts a file's content beside git's objects and hands git a pointer, so the pointer alone says
    nothing about what will be pushed. Not looked for: a store moved by the setting ``lfs.storage``.
    """
    if len(data) > _POINTER_SIZE:
        return data
    pointer = _POINTER.match(data)
    if pointer is None:
        return data
    name = pointer[1].decode("ascii")
    try:
        return (common / "lfs" / "objects" / name[:2] / name[2:4] / name).read_bytes()
    except OSError:
        return None
