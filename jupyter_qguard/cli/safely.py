"""Reading, replacing and removing files of which nobody may swap a part of the path meanwhile.

Every step starts from a folder that the user named or owns and goes down by open handles that refuse links, so that
a link put there between look and act (in a shared temporary folder, say) leads nowhere. Where the system has no such
handles (Windows) paths are used, and looked at for links just before.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jupyter_qguard.errors import InputError

_HANDLES = os.open in os.supports_dir_fd and os.unlink in os.supports_dir_fd and hasattr(os, "O_DIRECTORY")
_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_BINARY = getattr(os, "O_BINARY", 0)

Stamp = tuple[int, int, int, int]
"""(device, inode, size, time of change in ns): which file it was, as it was."""


class Changed(InputError):
    """The file is not the one that was looked at."""


@dataclass(frozen=True, slots=True)
class Content:
    """What was read: the bytes, which file it was, its owner and how many names it has."""

    data: bytes
    stamp: Stamp
    owner: int
    names: int


class Folder:
    """An open folder. ``name`` in each method is a plain name in it, never a path."""

    def __init__(self, path: Path, handle: int | None) -> None:
        self._path, self._handle = path, handle

    def _at(self, name: str) -> str | Path:
        return name if self._handle is not None else self._path / name

    def stat(self, name: str) -> os.stat_result:
        """Return what stands under ``name``, a link itself and not what it leads to. Raises OSError."""
        return os.stat(self._at(name), dir_fd=self._handle, follow_symlinks=False)

    def read(self, name: str, most: int) -> Content:
        """Return a regular file's content. Raises OSError; EFBIG where it is larger than ``most`` bytes."""
        if self._handle is None and stat.S_ISLNK(self.stat(name).st_mode):
            raise OSError(errno.ELOOP, "it is a link")
        # O_NONBLOCK: a named pipe put in place of the file must not hold us up.
        flags = os.O_RDONLY | _NO_LINK | _BINARY | getattr(os, "O_NONBLOCK", 0)
        handle = os.open(self._at(name), flags, dir_fd=self._handle)
        with os.fdopen(handle, "rb") as stream:
            info = os.fstat(stream.fileno())
            if not stat.S_ISREG(info.st_mode):
                raise OSError(errno.EINVAL, "it is not a regular file")
            if info.st_size > most:
                raise OSError(errno.EFBIG, "it is too large")
            data = stream.read(most + 1)
            if len(data) > most:
                raise OSError(errno.EFBIG, "it is too large")
        return Content(data, stamp_of(info), info.st_uid, info.st_nlink)

    def replace(self, name: str, data: bytes, stamp: Stamp) -> None:
        """Put ``data`` in place of the file that ``stamp`` tells of, in one step, with its mode. Raises Changed."""
        temporary = f".~qguard-{secrets.token_hex(8)}"
        info = self.stat(name)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK | _BINARY
        handle = os.open(self._at(temporary), flags, 0o600, dir_fd=self._handle)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                stream.flush()
                if hasattr(os, "fchmod"):
                    with contextlib.suppress(OSError):
                        if info.st_uid != os.geteuid():
                            os.fchown(stream.fileno(), info.st_uid, info.st_gid)
                    os.fchmod(stream.fileno(), stat.S_IMODE(info.st_mode))
                os.fsync(stream.fileno())
            self._same(name, stamp)
            os.replace(self._at(temporary), self._at(name), src_dir_fd=self._handle, dst_dir_fd=self._handle)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(self._at(temporary), dir_fd=self._handle)
            raise
        if self._handle is not None:
            with contextlib.suppress(OSError):
                os.fsync(self._handle)

    def remove(self, name: str, stamp: Stamp) -> None:
        """Remove the file that ``stamp`` tells of. Raises Changed or OSError."""
        self._same(name, stamp)
        os.unlink(self._at(name), dir_fd=self._handle)

    def _same(self, name: str, stamp: Stamp) -> None:
        try:
            now = stamp_of(self.stat(name))
        except FileNotFoundError:
            now = (0, 0, 0, 0)
        if now != stamp:
            raise Changed("it changed meanwhile.", "Nothing was done to it; run the command again.")


def stamp_of(info: os.stat_result) -> Stamp:
    """Return which file this is, as it is now."""
    return info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns


@contextlib.contextmanager
def folder(base: Path, parts: Sequence[str]) -> Iterator[Folder]:
    """Open the folder ``parts`` below ``base``; none of ``parts`` may be a link. Raises OSError (ELOOP, ENOTDIR)."""
    if not _HANDLES:
        here = base
        for part in parts:
            here = here / part
            if here.is_symlink():
                raise OSError(errno.ELOOP, "a folder above it is a link")
        yield Folder(here, None)
        return
    handle = os.open(base, os.O_RDONLY | os.O_DIRECTORY | getattr(os, "O_CLOEXEC", 0))
    try:
        for part in parts:
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | _NO_LINK, dir_fd=handle)
            os.close(handle)
            handle = below
        yield Folder(base.joinpath(*parts), handle)
    finally:
        os.close(handle)


def mine(owner: int) -> bool:
    """Return whether a file belongs to the user that runs this (always, where files have no owner number)."""
    return not hasattr(os, "geteuid") or owner == os.geteuid()
