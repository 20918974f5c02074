"""The seam behind the ledger: what a store does, and which store suits a folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from jupyter_qguard.errors import ConfigError, LedgerError
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
    """Which events: all given conditions together; ``since`` inclusive, ``until`` exclusive, as ``stamp()`` text."""

    path: str | None = None
    marker: str | None = None
    since: str | None = None
    until: str | None = None
    limit: int = 100


class Store(Protocol):
    """An append-only file of events with rising sequence numbers. Every method may raise ``LedgerError``.

    Calls come from one thread at a time (the ledger's lock); other processes may use the same file.
    """

    def append(self, entries: Sequence[Entry], counts: Mapping[CountKey, int], seconds: float) -> None:
        """Write all or nothing, durable on return; wait at most ``seconds`` for other processes."""

    def find(self, query: Query) -> Iterator[tuple[int, Event]]:
        """Yield (sequence number, event), newest first."""

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
