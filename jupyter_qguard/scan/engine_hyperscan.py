"""The multi-pattern pass by hyperscan, with its compiled patterns kept on disk."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import hyperscan
from hyperscan._version import __version__ as hyperscan_version

_MAGIC = b"qguard-patterns-1\n"


class HyperscanFinder:
    """Searches bytes for all anchors at once. Thread-safe: one scratch space per search under way.

    ``cache_dir`` may hold a compiled database from an earlier run. Whatever is wrong with that file
    (missing, cut, of another machine, somebody else's), patterns are compiled again and it is replaced.
    """

    def __init__(self, anchors: tuple[str, ...], cache_dir: Path | None = None) -> None:
        self._database = _load(anchors, cache_dir)
        self._spaces = _Spaces(self._database)
        self._count = len(anchors)

    def find(self, data: bytes) -> list[tuple[int, int]]:
        """Return (end offset, pattern index) of every anchor match. Frees the GIL while searching."""
        found: list[tuple[int, int]] = []
        add = found.append
        last = [-9] * self._count
        kept = [-9] * self._count

        def on_match(pattern: int, _start: int, end: int, _flags: int, _context: object) -> None:
            # In a long run (a hex dump, foreign digits) one pattern ends at every character: the first and then one
            # each 64 bytes will do. A newline ends the run, because another text may begin there.
            before = last[pattern]
            last[pattern] = end
            if end - before <= 4 and end - kept[pattern] < 64 and data.find(b"\n", before, end) < 0:
                return
            kept[pattern] = end
            add((end, pattern))

        with self._spaces.one() as scratch:
            self._database.scan(data, match_event_handler=on_match, scratch=scratch)
        return found


class FirstFinder:
    """Searches bytes for the match that ends first, of any of a few patterns. Thread-safe."""

    def __init__(self, patterns: tuple[str, ...], cache_dir: Path | None = None) -> None:
        self._database = _load(patterns, cache_dir)
        self._spaces = _Spaces(self._database)

    def first(self, data: memoryview) -> int | None:
        """Return where the first match ends, None if there is none. Frees the GIL while searching."""
        ends: list[int] = []

        def on_match(_pattern: int, _start: int, end: int, _flags: int, _context: object) -> bool:
            ends.append(end)
            return True  # that is enough

        with self._spaces.one() as scratch, contextlib.suppress(hyperscan.ScanTerminated):
            self._database.scan(data, match_event_handler=on_match, scratch=scratch)  # type: ignore[type-var]
        return ends[0] if ends else None


class _Spaces:
    """Scratch spaces of one database, lent and taken back: servers judge in threads that live for one save."""

    def __init__(self, database: hyperscan.Database) -> None:
        self._database = database
        self._free: list[hyperscan.Scratch] = []

    @contextlib.contextmanager
    def one(self) -> Iterator[hyperscan.Scratch]:
        """Lend a scratch space."""
        try:
            scratch = self._free.pop()
        except IndexError:
            scratch = hyperscan.Scratch(self._database)
        try:
            yield scratch
        finally:
            self._free.append(scratch)


def _compile(anchors: tuple[str, ...]) -> hyperscan.Database:
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    expressions = [anchor.encode("ascii") for anchor in anchors]
    database.compile(expressions, ids=list(range(len(anchors))), elements=len(anchors), flags=[0] * len(anchors))
    return database


def _load(anchors: tuple[str, ...], cache_dir: Path | None) -> hyperscan.Database:
    if cache_dir is None:
        return _compile(anchors)
    path = cache_dir / f"patterns-{_key(anchors)}.hsdb"
    body = _read(path)
    if body is not None:
        with contextlib.suppress(hyperscan.error, ValueError, MemoryError):
            return hyperscan.loadb(body, hyperscan.HS_MODE_BLOCK)
    database = _compile(anchors)
    with contextlib.suppress(OSError, hyperscan.error):
        _write(path, hyperscan.dumpb(database))
    return database


def _key(anchors: tuple[str, ...]) -> str:
    """Name what a compiled database depends on: hyperscan, the CPU and the patterns in order."""
    digest = hashlib.sha256()
    for part in (*_machine(), *anchors):
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()[:32]


@cache
def _machine() -> tuple[str, ...]:
    return hyperscan_version, platform.machine(), _cpu()


def _cpu() -> str:
    """Return the CPU's feature flags where the system tells them: a database uses what the CPU can do."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as lines:
            for _, line in zip(range(64), lines, strict=False):
                if line.startswith(("flags", "Features")):
                    return line
    except OSError:
        pass
    return platform.processor()


def _read(path: Path) -> bytes | None:
    """Return the body of a cache file that is whole and ours, else None."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & 0o022):
                return None
            data = file.read()
    except OSError:
        return None
    head = len(_MAGIC) + 32
    body = data[head:]
    if not data.startswith(_MAGIC) or hashlib.sha256(body).digest() != data[len(_MAGIC) : head]:
        return None
    return body


def _write(path: Path, body: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(prefix=".patterns-", dir=path.parent)  # 0600 from the start
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_MAGIC + hashlib.sha256(body).digest() + body)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
