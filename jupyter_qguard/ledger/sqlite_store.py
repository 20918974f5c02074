"""Events in SQLite: write-ahead log, flushed to the disk at every commit (synchronous=FULL).

In WAL mode FULL means one fsync of the log per transaction, and that is the durability promised: a commit
that returned survives a power cut. NORMAL would lose the last commits. The cost is shared by group commit.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jupyter_qguard import files
from jupyter_qguard.errors import LedgerError
from jupyter_qguard.ledger.event import Event
from jupyter_qguard.ledger.store import CountKey, Entry, Query, Unsuitable, busy, damaged, unreadable, unwritable

SCHEMA = 1
READ_SECONDS = 5.0
_NO_SHARING = {f"SQLITE_IOERR_SHM{what}" for what in ("MAP", "OPEN", "LOCK", "SIZE")} | {"SQLITE_PROTOCOL"}
_TABLES = """
CREATE TABLE IF NOT EXISTS events (seq INTEGER PRIMARY KEY, time TEXT NOT NULL, path BLOB NOT NULL, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS events_by_path ON events (path, seq);
CREATE TABLE IF NOT EXISTS markers (id8 TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (id8, seq)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counts (day TEXT NOT NULL, door TEXT NOT NULL, action TEXT NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (day, door, action)) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS events_stay BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER IF NOT EXISTS events_remain BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'append-only'); END;
"""

_abandoned: list[sqlite3.Connection] = []
"""Connections inherited by fork: neither used nor closed (https://www.sqlite.org/howtocorrupt.html §2.6)."""


class SqliteStore:
    """One SQLite file, 0600, made at the first append. Methods as in ``Store``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None

    def append(self, entries: Sequence[Entry], counts: Mapping[CountKey, int], seconds: float) -> None:
        try:
            connection = self._open(create=True, seconds=seconds)
            assert connection is not None  # noqa: S101  (created above)
            connection.execute(f"PRAGMA busy_timeout={int(seconds * 1000)}")
            connection.execute("BEGIN IMMEDIATE")
            last = connection.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0]
            numbered = list(enumerate(entries, last + 1))
            connection.executemany(
                "INSERT INTO events VALUES (?, ?, ?, ?)",
                [(seq, entry.time, _path(entry.path), entry.body) for seq, entry in numbered],
            )
            connection.executemany(
                "INSERT INTO markers VALUES (?, ?)", [(mark, seq) for seq, entry in numbered for mark in entry.markers]
            )
            connection.executemany(
                "INSERT INTO counts VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n",
                [(*key, n) for key, n in counts.items()],
            )
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._give_up()
            raise self._explain(error, writing=True) from None
        except OSError as error:
            self._give_up()
            raise unwritable(files.why(error)) from None
        except BaseException:
            self._give_up()
            raise

    def find(self, query: Query) -> Iterator[tuple[int, Event]]:
        conditions = {
            "path = ?": None if query.path is None else _path(query.path),
            "seq IN (SELECT seq FROM markers WHERE id8 = ?)": query.marker,
            "time >= ?": query.since,
            "time < ?": query.until,
        }
        given = {text: value for text, value in conditions.items() if value is not None}
        where = " AND ".join(given) or "1"
        rows = self._read(
            f"SELECT seq, body FROM events WHERE {where} ORDER BY seq DESC LIMIT ?",  # noqa: S608  (fixed texts above)
            (*given.values(), query.limit),
        )
        return iter([(seq, Event.from_canonical(bytes(body))) for seq, body in rows])

    def counts(self) -> dict[CountKey, int]:
        return {(day, door, action): n for day, door, action, n in self._read("SELECT * FROM counts", ())}

    def problems(self) -> tuple[str, ...]:
        try:
            rows = self._read("PRAGMA quick_check(1)", ())
        except LedgerError as error:
            return (error.sentence(),)
        return () if not rows or rows[0][0] == "ok" else (damaged(self._path.name).sentence(),)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def abandon(self) -> None:
        if self._connection is not None:
            _abandoned.append(self._connection)
            self._connection = None

    def _read(self, statement: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        try:
            connection = self._open(create=False, seconds=READ_SECONDS)
            return [] if connection is None else connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            self.close()
            raise self._explain(error, writing=False) from None
        except OSError as error:
            self.close()
            raise unreadable(files.why(error)) from None

    def _open(self, *, create: bool, seconds: float) -> sqlite3.Connection | None:
        """Return the connection, opened again if the file was moved away; None if there is none and none is wanted."""
        identity = self._on_disk()
        if self._connection is not None:
            if identity == self._identity:
                return self._connection
            self.close()  # else commits would go to a file without a name
        if identity is None:
            if not create:
                return None
            files.private_folder(self._path.parent)
            files.create_once(self._path, b"")  # SQLite gives its log and shared memory the mode of this file
        with contextlib.ExitStack() as stack:
            # Two processes that switch one file to WAL at the same time get "locked" at once, busy timeout or not.
            try:
                stack.enter_context(files.FileLock(self._path.with_name(self._path.name + ".lock"), seconds))
            except TimeoutError:
                raise busy() from None
            except OSError:
                if create:
                    raise  # a reader may do without: what it reads is almost always prepared
            self._connection = sqlite3.connect(
                self._path, timeout=seconds, isolation_level=None, check_same_thread=False
            )
            self._identity = self._on_disk()
            self._prepare(self._connection)
        return self._connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        if not self._share(connection):
            self.close()
            if not self._path.stat().st_size:
                self._path.unlink()  # else it would be taken for the ledger next time
            raise Unsuitable("The ledger's file system does not let SQLite share memory.", "Set QGUARD_LEDGER=jsonl.")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA trusted_schema=OFF")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA:
            raise unwritable("it was written by a newer version of jupyter-qguard")
        if version < SCHEMA:
            connection.execute("BEGIN IMMEDIATE")
            for statement in _statements(_TABLES):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version={SCHEMA}")
            connection.execute("COMMIT")

    def _share(self, connection: sqlite3.Connection) -> bool:
        """Switch to the write-ahead log; False where the file system has no shared memory (network drives)."""
        try:
            return bool(connection.execute("PRAGMA journal_mode=WAL").fetchone()[0] == "wal")
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorname", "") in _NO_SHARING:
                return False
            raise

    def _on_disk(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    def _give_up(self) -> None:
        """After any failure start again from a fresh connection; an open transaction is rolled back by closing."""
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
        self.close()

    def _explain(self, error: sqlite3.Error, *, writing: bool) -> LedgerError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        refused = unwritable if writing else unreadable
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return busy() if writing else unreadable("another process kept it locked")
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return damaged(self._path.name)
        reasons = {
            sqlite3.SQLITE_FULL: "the disk is full",
            sqlite3.SQLITE_READONLY: "it is read-only",
            sqlite3.SQLITE_CANTOPEN: "its file cannot be opened",
            sqlite3.SQLITE_IOERR: "the disk failed or is full",
        }
        return refused(reasons.get(code, "SQLite refused"))


def _path(path: str) -> bytes:
    """Return the stored form of a path: a file name that is no UTF-8 holds lone surrogates, which TEXT refuses."""
    return path.encode("utf-8", "surrogatepass")


def _statements(script: str) -> Iterator[str]:
    """Split a script (``executescript`` would commit before it runs)."""
    pending = ""
    for line in script.strip().splitlines():
        pending += line + "\n"
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
