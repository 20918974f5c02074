"""What a download is read from: a file on disk that is opened once, or bytes that the contents API gave."""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from hashlib import blake2b
from typing import Protocol

Identity = tuple[int | str, ...]
"""Equal for equal content: (device, inode, size, mtime_ns, ctime_ns) of a file, or a digest."""

_COARSE, _FINE = 2_000_000_000, 50_000_000
"""Nanoseconds in which a second write may leave the times as they are: file systems that keep seconds, and others."""


class Changed(Exception):
    """A file is no longer what it was when it was opened."""


class Source(Protocol):
    """Something to send. ``settled``: its identity can be relied on later."""

    size: int
    identity: Identity
    settled: bool

    def read(self, start: int, size: int) -> bytes:
        """Return exactly ``size`` bytes from ``start``. Raises Changed, OSError. One caller at a time."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class DiskFile:
    """A regular file. Everything is read through the one descriptor whose state was looked at."""

    def __init__(self, path: str) -> None:
        """Open ``path``. Raises OSError, also for what is no regular file (a pipe would never answer)."""
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        self._file = os.fdopen(os.open(path, flags), "rb", buffering=0)
        found = os.fstat(self._file.fileno())
        if not stat.S_ISREG(found.st_mode):
            self._file.close()
            raise OSError(errno.EINVAL, "it is not a regular file")
        self._reading = threading.Lock()
        self.size = found.st_size
        self.identity = _identity(found)
        coarse = found.st_mtime_ns % 1_000_000_000 == 0 and found.st_ctime_ns % 1_000_000_000 == 0
        newest = max(found.st_mtime_ns, found.st_ctime_ns)
        self.settled = time.time_ns() - newest > (_COARSE if coarse else _FINE)

    def read(self, start: int, size: int) -> bytes:
        """Return exactly ``size`` bytes from ``start``. Raises Changed if the file is not what it was."""
        with self._reading:
            return self._read(start, size)

    def _read(self, start: int, size: int) -> bytes:
        self._file.seek(start)
        parts: list[bytes] = []
        left = size
        while left:
            part = self._file.read(left)
            if not part:
                raise Changed
            parts.append(part)
            left -= len(part)
        if _identity(os.fstat(self._file.fileno())) != self.identity:
            raise Changed
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """Close the file, unless a thread that was given up still reads: its descriptor must not be used anew."""
        if self._reading.acquire(blocking=False):
            self._file.close()
            self._reading.release()


class Made:
    """Bytes that are at hand."""

    settled = True

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)
        self.identity: Identity = ("made", self.size, blake2b(data, digest_size=20).hexdigest())

    def read(self, start: int, size: int) -> bytes:
        """Return a part."""
        return self._data if start == 0 and size == self.size else self._data[start : start + size]

    def close(self) -> None:
        """Nothing to let go of."""


def _identity(found: os.stat_result) -> Identity:
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
