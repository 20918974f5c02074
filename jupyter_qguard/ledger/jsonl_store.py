"""Events as JSON Lines, for places where SQLite does not work (network drives, Python without it).

One line per event (``lines.py``), appended under a lock with O_APPEND and flushed to the disk. A write that fails
is cut off again; a torn last line (power cut) is closed off and skipped when reading. Where the chain stands is
noted on the last line of each append, so that the next one reads no more than the file's end.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from jupyter_qguard import files
from jupyter_qguard.errors import LedgerError
from jupyter_qguard.ledger import lines
from jupyter_qguard.ledger.chain import Chain, chained_since
from jupyter_qguard.ledger.event import Event
from jupyter_qguard.ledger.store import CountKey, Entry, Found, Query, Reading, Row, busy, unreadable, unwritable

_TAIL = 1 << 16
_BLOCK = 1 << 18
_READ_SECONDS = 5.0


class JsonLinesStore:
    """One append-only text file, 0600, made at the first append. Methods as in ``Store``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = path.with_name(path.name + ".lock")

    def append(self, entries: Sequence[Entry], counts: Mapping[CountKey, int], seconds: float) -> None:
        try:
            files.private_folder(self._path.parent)
            with files.FileLock(self._lock, seconds):
                self._append(entries, counts)
        except TimeoutError:
            raise busy() from None
        except OSError as error:
            raise unwritable(files.why(error)) from None

    def _append(self, entries: Sequence[Entry], counts: Mapping[CountKey, int]) -> None:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
        created = not self._path.exists()
        if not created and entries:
            self._upgrade()
        descriptor = os.open(self._path, flags, 0o600)
        with os.fdopen(descriptor, "r+b", buffering=0) as handle:
            size = handle.seek(0, os.SEEK_END)
            chain, last, torn = _last(handle, size)
            parts = [b"\n"] if torn else []
            if chain is None and entries:
                chain = Chain.new()
                parts.append(lines.head_line(chain.genesis))
            for left, entry in zip(range(len(entries) - 1, -1, -1), entries, strict=True):
                assert chain is not None  # noqa: S101  (made above)
                last = max(last, chain.size) + 1
                hash = chain.extend(entry.body)
                note = None if left else lines.tree_note(chain.frontier)
                parts.append(lines.entry_line(last, entry.body, hash, note))
            parts += [lines.count_line(key, n, last) for key, n in counts.items()]
            try:
                _write_all(handle.fileno(), b"".join(parts))
                os.fsync(handle.fileno())
            except OSError:
                handle.truncate(size)
                raise
        if created:
            files.sync_folder(self._path.parent)

    def _upgrade(self) -> None:
        """Chain a file that was written before there was a chain, as it stands, and record that.

        Replaced in one step by a file with the same lines, each entry's hash added. The caller holds the lock.
        """
        with self._path.open("rb") as handle:
            if not _unchained(handle):
                return
            chain, parts, last = Chain.new(), [b""], 0
            handle.seek(0)
            for line in handle:
                row = lines.entry_of(line.rstrip(b"\n"))
                if row is None:
                    parts.append(line if line.endswith(b"\n") else line + b"\n")
                    continue
                parts.append(lines.entry_line(row.seq, row.body, chain.extend(row.body)))
                last = row.seq
        parts[0] = lines.head_line(chain.genesis)
        body = chained_since(chain.size)
        hash = chain.extend(body)
        parts.append(lines.entry_line(last + 1, body, hash, lines.tree_note(chain.frontier)))
        files.write_private(self._path, b"".join(parts))

    def find(self, query: Query) -> Iterator[Found]:
        needles = query.needles()
        left = query.limit
        for line in self._lines_backwards():
            if left is not None and left <= 0:
                return
            if not all(needle in line for needle in needles):  # skips parsing almost every line
                continue
            row = lines.entry_of(line)
            event = None if row is None else _event(row.body)
            if row is not None and event is not None and query.wants(event):
                left = None if left is None else left - 1
                yield Found(row.seq, row.hash, event)

    def tree(self) -> Chain | None:
        with self._read_file() as (handle, size):
            chain = _last(handle, size)[0] if handle is not None else None
            if handle is None or chain is None:
                return None
            handle.seek(0)
            chain.genesis = lines.reading(handle).genesis or chain.genesis
            return chain

    @contextlib.contextmanager
    def read(self) -> Iterator[Reading]:
        with self._read_file() as (handle, size):
            if handle is None:
                yield Reading(None, iter(()), exists=False)
                return
            handle.seek(0)
            yield lines.reading(_up_to(handle, size))

    def counts(self) -> dict[CountKey, int]:
        totals: dict[CountKey, int] = {}
        with self._read_file() as (handle, size):
            for line in _up_to(handle, size) if handle is not None else ():
                found = lines.count_of(line)
                if found is not None:
                    totals[found[0]] = totals.get(found[0], 0) + found[1]
        return totals

    def problems(self) -> tuple[str, ...]:
        try:
            with self._read_file() as (handle, size):
                every = _up_to(handle, size) if handle is not None else iter(())
                bad = sum(not lines.ours(line.rstrip(b"\n")) for line in every if line.strip())
        except LedgerError as error:
            return (error.sentence(),)
        return (f"{bad} line(s) of the ledger cannot be read; the others are intact.",) if bad else ()

    def close(self) -> None:
        """Nothing stays open between calls."""

    def abandon(self) -> None:
        """Nothing stays open between calls."""

    def _lines_backwards(self) -> Iterator[bytes]:
        with self._read_file() as (handle, _):
            if handle is not None:
                yield from _backwards(handle)

    @contextlib.contextmanager
    def _read_file(self) -> Iterator[tuple[BinaryIO | None, int]]:
        """Open the file and say how long it is between two appends; what comes later is not looked at."""
        try:
            handle = self._path.open("rb")
        except FileNotFoundError:
            yield None, 0
            return
        except OSError as error:
            raise unreadable(files.why(error)) from None
        with handle:
            size: int | None = None
            try:
                # Nobody is in the middle of a line while the lock is held; who may only read does without.
                with contextlib.suppress(OSError), files.FileLock(self._lock, _READ_SECONDS):
                    size = os.fstat(handle.fileno()).st_size
                yield handle, os.fstat(handle.fileno()).st_size if size is None else size
            except OSError as error:
                raise unreadable(files.why(error)) from None


def _backwards(handle: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a file from its end; what is appended meanwhile is left out."""
    position = handle.seek(0, os.SEEK_END)
    rest = b""
    while position > 0:
        step = min(_BLOCK, position)
        position -= step
        handle.seek(position)
        rest, *found = (handle.read(step) + rest).split(b"\n")
        if len(rest) > lines.LONGEST:
            rest = b""  # no line of ours: growing it on would take time by the square
        yield from reversed(found)
    yield rest


def _up_to(handle: BinaryIO, size: int) -> Iterator[bytes]:
    """Yield the lines of a file up to a length."""
    for line in handle:
        size -= len(line)
        if size < 0:
            line = line[:size]
        if line:
            yield line
        if size <= 0:
            return


def _unchained(handle: BinaryIO) -> bool:
    """Return whether a file holds entries, and none of them a hash. Stops at the first line that tells."""
    entries = False
    for line in handle:
        if lines.genesis_of(line.rstrip(b"\n")) is not None:
            return False
        row = lines.entry_of(line.rstrip(b"\n"))
        if row is not None and row.hash is not None:
            return False
        entries = entries or row is not None
    return entries


def _event(body: bytes) -> Event | None:
    try:
        return Event.from_canonical(body)
    except LedgerError:
        return None


def _last(handle: BinaryIO, size: int) -> tuple[Chain | None, int, bool]:
    """Return where the chain stands, the last sequence number, and whether the file ends inside a line.

    Reads from the end back to a line that says where the chain stands: almost always the last one.
    """
    window = min(_TAIL, size)
    while True:
        handle.seek(size - window)
        tail = _read_all(handle.fileno(), window)
        torn = bool(tail) and not tail.endswith(b"\n")
        found = tail.split(b"\n")
        if window < size:
            del found[0]  # cut in the middle
        later: list[Row] = []
        for line in reversed(found):
            row = lines.entry_of(line)
            if row is None:
                continue
            later.append(row)
            frontier = lines.read_tree(row.tree) if row.tree is not None else None
            if frontier is not None and row.hash is not None:
                chain = Chain(b"", row.hash, frontier)
                return lines.continued(chain, reversed(later[:-1])), later[0].seq, torn
        if window == size:
            break
        window = min(window * 16, size)
    # Nothing says where it stands (a killed writer's first group): from the beginning.
    handle.seek(0)
    whole = lines.reading(_up_to(handle, size))
    rows = list(whole.rows)
    if whole.genesis is None and not rows:
        return None, 0, torn
    chain = Chain(whole.genesis or bytes(32), whole.genesis or bytes(32))
    return lines.continued(chain, rows), rows[-1].seq if rows else 0, torn


def _read_all(descriptor: int, length: int) -> bytes:
    parts = []
    while length > 0 and (part := os.read(descriptor, length)):
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
