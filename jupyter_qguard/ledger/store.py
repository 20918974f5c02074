"""The seam behind the ledger: what a store does, and which store suits a folder."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from jupyter_qguard.errors import ConfigError, LedgerError
from jupyter_qguard.ledger.chain import Chain
from jupyter_qguard.ledger.event import Event

VARIABLE = "QGUARD_LEDGER"
SQLITE_NAME = "decisions.sqlite"
JSONL_NAME = "decisions.jsonl"

_SHARED = {
    *("nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "9p", "afs", "lustre", "gpfs", "beegfs", "ceph", "glusterfs"),
    *("fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.beegfs", "fuse.s3fs", "fuse.rclone", "fuse.gcsfuse"),
}

CountKey = tuple[str, str, str]
"""(day as YYYY-MM-DD in UTC, door, action)."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An event on its way into a store, serialised outside any lock."""

    time: str
    path: str
    markers: tuple[str, ...]
    body: bytes
    """``Event.canonical()``."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which events: all given conditions together; ``since`` inclusive, ``until`` exclusive, as ``stamp()`` text.

    ``rule`` is one of a finding's; ``limit`` None means all.
    """

    path: str | None = None
    marker: str | None = None
    since: str | None = None
    until: str | None = None
    limit: int | None = 100
    door: str | None = None
    rule: str | None = None
    mode: str | None = None

    def needles(self) -> tuple[bytes, ...]:
        """Return what must stand in an event's bytes: no string in it can hold a bare quotation mark."""
        named = (("door", self.door), ("rule", self.rule), ("mode", self.mode), ("id8", self.marker))
        return tuple(f'"{key}":{json.dumps(value)}'.encode("ascii") for key, value in named if value is not None)

    def wants(self, event: Event) -> bool:
        """Return whether an event meets every condition."""
        return (
            (self.path is None or event.path == self.path)
            and (self.marker is None or self.marker in event.markers())
            and (self.since is None or event.time >= self.since)
            and (self.until is None or event.time < self.until)
            and (self.door is None or event.door == self.door)
            and (self.mode is None or event.mode == self.mode)
            and (self.rule is None or any(finding["rule"] == self.rule for finding in event.findings))
        )


class Found(NamedTuple):
    """One entry as it is stored: ``hash`` is None where it was recorded before there was a chain."""

    seq: int
    hash: bytes | None
    event: Event


class Row(NamedTuple):
    """One stored entry with what the store notes beside it, for whoever checks the whole.

    ``columns`` (time, path, ids of markers) is what a store looks entries up by; ``tree`` its note of the Merkle
    frontier after this entry. None: this store, or this row, has none.
    """

    seq: int
    hash: bytes | None
    body: bytes
    columns: tuple[object, object, frozenset[object]] | None = None
    tree: bytes | None = None


@dataclass(slots=True)
class Reading:
    """A whole ledger as it stood at one moment, to be read once from its beginning.

    ``odd`` fills while ``rows`` is read: what is neither entry nor counter, by what it is. ``torn``: the file ends
    inside a line. ``noted`` is the store's note of where the chain stands, if it keeps one apart from the entries.
    """

    genesis: bytes | None
    rows: Iterator[Row]
    noted: Callable[[], tuple[int, bytes, bytes] | None] = lambda: None
    odd: dict[str, list[int]] = field(default_factory=dict)
    counters: list[tuple[CountKey, int]] = field(default_factory=list)
    torn: bool = False
    exists: bool = True
    chained: bool = False
    """Whether the store knows that this ledger has a chain."""

    def note(self, what: str, where: int) -> None:
        """Remember one oddity; ``where`` is a line or sequence number. At most a thousand of a kind."""
        places = self.odd.setdefault(what, [])
        if len(places) < 1000:
            places.append(where)


class Store(Protocol):
    """An append-only file of events with rising sequence numbers. Every method may raise ``LedgerError``.

    Calls come from one thread at a time (the ledger's lock); other processes may use the same file.
    """

    def append(self, entries: Sequence[Entry], counts: Mapping[CountKey, int], seconds: float) -> None:
        """Write all or nothing, durable on return; wait at most ``seconds`` for other processes."""

    def find(self, query: Query) -> Iterator[Found]:
        """Yield entries, newest first."""

    def tree(self) -> Chain | None:
        """Return where the chain stands, without reading the ledger; None where there is none (yet)."""

    def read(self) -> AbstractContextManager[Reading]:
        """Open the whole ledger as it stands now; other processes may go on appending meanwhile."""

    def counts(self) -> dict[CountKey, int]:
        """Return what was counted."""

    def problems(self) -> tuple[str, ...]:
        """Return what is damaged, in sentences."""

    def close(self) -> None:
        """Let go of the file; the store opens it again when needed."""

    def abandon(self) -> None:
        """Forget the open file without touching it: called in a child process after a fork."""


def open_store(folder: Path, env: Mapping[str, str]) -> Store:
    """Return the store for ``folder``; nothing is opened or created yet.

    ``QGUARD_LEDGER`` (``sqlite`` or ``jsonl``) wins, then the file that is there, so that server and command
    line agree; else SQLite, except on a network file system, where its shared memory does not work.
    Raises ``ConfigError`` for another value.
    """
    wanted = env.get(VARIABLE, "").strip().lower()
    if wanted not in ("", "auto", "sqlite", "jsonl"):
        raise ConfigError(f"{VARIABLE} must be 'sqlite', 'jsonl' or unset.", f"Correct or unset {VARIABLE}.")
    try:
        sqlite, jsonl = (folder / SQLITE_NAME).exists(), (folder / JSONL_NAME).exists()
    except OSError:
        sqlite, jsonl = False, False  # the store says why when it is used
    if wanted == "jsonl" or (wanted != "sqlite" and not sqlite and (jsonl or _no_sqlite() or shared(folder))):
        from jupyter_qguard.ledger.jsonl_store import JsonLinesStore

        return JsonLinesStore(folder / JSONL_NAME)
    from jupyter_qguard.ledger.sqlite_store import SqliteStore

    return SqliteStore(folder / SQLITE_NAME)


def _no_sqlite() -> bool:
    try:
        import sqlite3  # noqa: F401
    except ImportError:  # some minimal Python builds
        return True
    return False


def shared(folder: Path, mounts: Path = Path("/proc/self/mountinfo")) -> bool:
    """Return whether ``folder`` is known to lie on a network file system (Linux; elsewhere False).

    Source: proc_pid_mountinfo(5); fields before ' - ' are positional, the type follows it.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        target = folder.resolve()
        table = mounts.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return False
    best, kind = -1, ""
    for line in table.splitlines():
        left, found, right = line.partition(" - ")
        parts = left.split(" ")
        if not found or len(parts) < 5:
            continue
        point = Path(parts[4].replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\"))
        if len(point.parts) >= best and target.is_relative_to(point):
            best, kind = len(point.parts), right.split(" ", 1)[0]
    return kind in _SHARED


class Unsuitable(LedgerError):
    """A store does not work in this folder at all; another may."""


def instead(folder: Path, env: Mapping[str, str]) -> Store | None:
    """Return the store to use where the chosen one is unsuitable, or None if it was asked for by name."""
    if env.get(VARIABLE, "").strip().lower() == "sqlite":
        return None
    from jupyter_qguard.ledger.jsonl_store import JsonLinesStore

    return JsonLinesStore(folder / JSONL_NAME)


def busy() -> LedgerError:
    """Return the error for a lock that stayed taken."""
    return LedgerError(
        "The decision could not be recorded: another process kept the ledger locked.",
        "Try again; 'qguard doctor' shows who uses the ledger.",
    )


def unwritable(reason: str) -> LedgerError:
    """Return the error for a folder or file that cannot be written."""
    return LedgerError(
        f"The decision could not be recorded in the ledger: {reason}.",
        "Make room, or point QGUARD_DATA_DIR to a folder that can be written.",
    )


def unreadable(reason: str) -> LedgerError:
    """Return the error for a ledger that cannot be read."""
    return LedgerError(f"The ledger cannot be read: {reason}.", "'qguard doctor' says what to do.")


def damaged(name: str) -> LedgerError:
    """Return the error for a file that is no ledger (any more)."""
    return LedgerError(
        f"The ledger is damaged: {name} in the data folder's 'ledger' cannot be used.",
        "Move it aside to keep what can be saved of it; a new one is started.",
    )
