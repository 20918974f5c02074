"""Private files: folders 0700, files 0600, written whole or not at all, one writer at a time.

Nothing here knows what it stores. Every function raises plain ``OSError``; the rooms turn it into
their own sentence with :func:`why`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_BINARY = getattr(os, "O_BINARY", 0)
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}


class TooOpen(OSError):
    """A private file that others may read or write."""


def why(error: OSError) -> str:
    """Return the reason of an ``OSError`` as a clause for a person, without any path."""
    known = {
        errno.ENOSPC: "the disk is full",
        errno.EDQUOT: "the disk quota is used up",
        errno.EFBIG: "the file would be larger than allowed",
        errno.EROFS: "the file system is read-only",
        errno.EACCES: "permission is denied",
        errno.EPERM: "permission is denied",
    }
    if isinstance(error, TooOpen):
        return "others may read or write it"
    if isinstance(error, TimeoutError):
        return "another process held its lock for too long"
    return known.get(error.errno or 0) or (error.strerror or "the system refused").lower()


def private_folder(path: Path) -> None:
    """Make ``path`` a folder that only its owner may enter (0700). Raises ``OSError``.

    An existing folder of ours is tightened; a home folder given as data folder is left as it is.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if sys.platform == "win32":  # the profile folder's access list does this there
        return
    found = path.stat()
    if found.st_mode & 0o077 and found.st_uid == os.geteuid() and path.resolve() != Path.home().resolve():
        path.chmod(0o700)


def read_private(path: Path, limit: int) -> bytes:
    """Return the content of a private file. Raises ``TooOpen`` if others have rights on it, else ``OSError``.

    At most ``limit`` + 1 bytes are read, so that a caller can tell a file that is too long.
    """
    # O_NONBLOCK: a named pipe in its place must not hold a server up.
    descriptor = os.open(path, os.O_RDONLY | _BINARY | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, "rb") as handle:
        found = os.fstat(handle.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        if sys.platform != "win32" and found.st_mode & 0o077:
            raise TooOpen(errno.EACCES, "others may read or write it")
        return handle.read(limit + 1)


def write_private(path: Path, data: bytes) -> None:
    """Replace ``path`` by ``data`` in one step, 0600, durable on return. Raises ``OSError``, then nothing changed."""
    temporary = _temporary(path, data)
    try:
        temporary.replace(path)
    except OSError:
        _remove(temporary)
        raise
    sync_folder(path.parent)


def create_once(path: Path, data: bytes) -> bool:
    """Create ``path`` with ``data``, 0600, unless it exists; True if this call created it. Raises ``OSError``.

    The name appears with its whole content (a hard link to a finished file), so processes that race
    see either nothing or the winner's bytes.
    """
    if path.exists():
        return False
    temporary = _temporary(path, data)
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        with FileLock(path.with_name(path.name + ".lock")):  # file systems without hard links (FAT, some FUSE)
            if path.exists():
                return False
            temporary.replace(path)
    finally:
        _remove(temporary)
    sync_folder(path.parent)
    return True


def probe(folder: Path) -> None:
    """Write, flush and remove a small file in ``folder``. Raises ``OSError`` where that is not possible."""
    _remove(_temporary(folder / "probe", bytes(4096)))


def _temporary(path: Path, data: bytes) -> Path:
    """Write ``data`` to a new 0600 file beside ``path``, flushed to the disk."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
    except BaseException:
        _remove(temporary)
        raise
    return temporary


def sweep(folder: Path) -> None:
    """Remove what killed writers left in ``folder``. Only for a holder of the lock that its writers hold."""
    for left in folder.glob(".*.tmp"):
        _remove(left)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def sync_folder(path: Path) -> None:
    """Make new names in ``path`` durable, where the system knows how (not on Windows or some network drives)."""
    if sys.platform == "win32":
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class FileLock:
    """A lock between processes and between threads, held by an open file; a crash releases it.

    ``flock`` rather than ``lockf``: POSIX record locks do not exclude threads of one process and vanish
    when any descriptor of the file is closed. Not reentrant. Raises ``TimeoutError`` after ``seconds``.
    """

    def __init__(self, path: Path, seconds: float = 10.0) -> None:
        self._path = path
        self._seconds = seconds
        self._held: list[int] = []

    def __enter__(self) -> FileLock:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | _BINARY, 0o600)
        try:
            self._wait(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        self._held.append(descriptor)
        return self

    def __exit__(self, *_: object) -> None:
        descriptor = self._held.pop()
        try:
            _unlock(descriptor)  # explicit: a child forked meanwhile shares the lock until it is given up
        finally:
            os.close(descriptor)

    def _wait(self, descriptor: int) -> None:
        end = time.monotonic() + self._seconds
        for pause in _pauses():
            if _try_lock(descriptor):
                return
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError(errno.ETIMEDOUT, "another process held its lock for too long")
            time.sleep(min(pause, left))


def _pauses() -> Iterator[float]:
    pause = 0.0005
    while True:
        yield pause
        pause = min(pause * 1.5, 0.02)


if sys.platform == "win32":

    def _try_lock(descriptor: int) -> bool:
        os.lseek(descriptor, 0, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EDEADLK):
                return False
            raise
        return True

    def _unlock(descriptor: int) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
