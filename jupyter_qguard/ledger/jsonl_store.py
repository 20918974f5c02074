"""Events as JSON Lines, for places where SQLite does not work (network drives, Python without it).

One line per event, ``{"event": …, "seq": n}``; appended under a lock with O_APPEND and flushed to the disk.
A write that fails is cut off again; a torn last line (power cut) is closed off and skipped when reading.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from jupyter_qguard import files
from jupyter_qguard.errors import LedgerError
from jupyter_qguard.ledger.event import Event
from jupyter_qguard.ledger.store import CountKey, Entry, Query, busy, unreadable, unwritable

_TAIL = 1 << 16
_BLOCK = 1 << 18
_LONGEST = 1 << 26


class JsonLinesStore:
    """One append-only text file, 0600, made at the first append. Methods as in ``Store``."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, entries: Sequence[Entry], counts: Mapping[CountKey, int], seconds: float) -> None:
        try:
            files.private_folder(self._path.parent)
            with files.FileLock(self._path.with_name(self._path.name + ".lock"), seconds):
                self._append(entries, counts)
        except TimeoutError:
            raise busy() from None
        except OSError as error:
            raise unwritable(files.why(error)) from None

    def _append(self, entries: Sequence[Entry], counts: Mapping[CountKey, int]) -> None:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
        created = not self._path.exists()
        descriptor = os.open(self._path, flags, 0o600)
        with os.fdopen(descriptor, "r+b", buffering=0) as handle:
            size = handle.seek(0, os.SEEK_END)
            last, torn = _last(handle, size)
            lines = [b"\n"] if torn else []
            for seq, entry in enumerate(entries, last + 1):
                lines.append(b'{"event":' + entry.body + b',"seq":%d}\n' % seq)
            for (day, door, action), n in counts.items():
                note = {"count": [day, door, action, n], "seq": last + len(entries)}
                lines.append(json.dumps(note, separators=(",", ":")).encode("ascii") + b"\n")
            try:
                _write_all(handle.fileno(), b"".join(lines))
                os.fsync(handle.fileno())
            except OSError:
                handle.truncate(size)
                raise
        if created:
            files.sync_folder(self._path.parent)

    def find(self, query: Query) -> Iterator[tuple[int, Event]]:
        needle = None if query.marker is None else json.dumps(query.marker).encode("ascii")
        left = query.limit
        for line in self._lines_backwards():
            if left <= 0:
                return
            if needle is not None and needle not in line:  # skips parsing almost every line
                continue
            found = _parse(line)
            event = _event(found["event"]) if found is not None and "event" in found else None
            if found is not None and event is not None and _wanted(event, query):
                left -= 1
                yield found["seq"], event

    def counts(self) -> dict[CountKey, int]:
        totals: dict[CountKey, int] = {}
        for line in self._lines():
            if line.startswith(b'{"count"') and (found := _parse(line)) is not None:
                day, door, action, n = found["count"]
                totals[day, door, action] = totals.get((day, door, action), 0) + n
        return totals

    def problems(self) -> tuple[str, ...]:
        try:
            bad = sum(_parse(line) is None for line in self._lines() if line.strip())
        except LedgerError as error:
            return (error.sentence(),)
        return (f"{bad} line(s) of the ledger cannot be read; the others are intact.",) if bad else ()

    def close(self) -> None:
        """Nothing stays open between calls."""

    def abandon(self) -> None:
        """Nothing stays open between calls."""

    def _lines_backwards(self) -> Iterator[bytes]:
        try:
            with self._path.open("rb") as handle:
                yield from _backwards(handle)
        except FileNotFoundError:
            return
        except OSError as error:
            raise unreadable(files.why(error)) from None

    def _lines(self) -> Iterator[bytes]:
        try:
            with self._path.open("rb") as handle:
                yield from handle
        except FileNotFoundError:
            return
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
        rest, *lines = (handle.read(step) + rest).split(b"\n")
        if len(rest) > _LONGEST:
            rest = b""  # no line of ours: growing it on would take time by the square
        yield from reversed(lines)
    yield rest


def _wanted(event: Event, query: Query) -> bool:
    return (
        (query.path is None or event.path == query.path)
        and (query.marker is None or query.marker in event.markers())
        and (query.since is None or event.time >= query.since)
        and (query.until is None or event.time < query.until)
    )


def _event(plain: Any) -> Event | None:
    try:
        return Event.from_dict(plain)
    except LedgerError:
        return None


def _parse(line: bytes) -> dict[str, Any] | None:
    """Return one line, or None if it is no line of ours."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or type(found.get("seq")) is not int:
        return None
    return found if isinstance(found.get("event"), dict) or _is_count(found.get("count")) else None


def _is_count(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 4
        and all(isinstance(part, str) for part in value[:3])
        and type(value[3]) is int
    )


def _last(handle: Any, size: int) -> tuple[int, bool]:
    """Return the highest sequence number written, and whether the file ends inside a line."""
    if not size:
        return 0, False
    window = _TAIL
    while True:  # usually one round; a longer tail only if it holds no intact line
        start = max(0, size - window)
        handle.seek(start)
        tail = _read_all(handle.fileno(), size - start)
        lines = tail.split(b"\n")
        if start:
            del lines[0]  # cut in the middle
        for line in reversed(lines):
            if (found := _parse(line)) is not None:
                return int(found["seq"]), not tail.endswith(b"\n")
        if not start:
            return 0, not tail.endswith(b"\n")
        window *= 16


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
