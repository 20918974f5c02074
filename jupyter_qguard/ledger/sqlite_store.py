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
from jupyter_qguard.ledger import sqlite_schema
from jupyter_qguard.ledger.chain import Chain
from jupyter_qguard.ledger.event import Event
from jupyter_qguard.ledger.store import (
    CountKey,
    Entry,
    Found,
    Query,
    Reading,
    Unsuitable,
    busy,
    damaged,
    unreadable,
    unwritable,
)

READ_SECONDS = 5.0
_NO_SHARING = {f"SQLITE_IOERR_SHM{what}" for what in ("MAP", "OPEN", "LOCK", "SIZE")} | {"SQLITE_PROTOCOL"}
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
            numbered = self._insert(connection, entries)
            connection.executemany(
                "INSERT INTO markers VALUES (?, ?)", [(mark, seq) for seq, entry in numbered for mark in entry.markers]
            )
            connection.executemany(
                "INSERT INTO counts VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n",
                [(*key, n) for key, n in counts.items()],
            )
            connection.execute("COMMIT")
        except (sqlite3.Error, UnicodeError) as error:
            self._give_up()
            raise self._explain(error, writing=True) from None
        except OSError as error:
            self._give_up()
            raise unwritable(files.why(error)) from None
        except BaseException:
            self._give_up()
            raise

    def _insert(self, connection: sqlite3.Connection, entries: Sequence[Entry]) -> list[tuple[int, Entry]]:
        """Write entries with their hashes, and where the chain then stands. Returns them with their numbers."""
        if not entries:
            return []
        chain = sqlite_schema.chain(connection)
        last = connection.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0]
        # Where entries were cut off the chain knows more than there are: their numbers are not given again.
        numbered = list(enumerate(entries, max(last, chain.size) + 1))
        connection.executemany(
            "INSERT INTO events VALUES (?, ?, ?, ?, ?)",
            [(seq, entry.time, _path(entry.path), entry.body, chain.extend(entry.body)) for seq, entry in numbered],
        )
        sqlite_schema.note(connection, chain)
        return numbered

    def find(self, query: Query) -> Iterator[Found]:
        conditions: dict[str, Any] = {
            "path = ?": None if query.path is None else _path(query.path),
            "seq IN (SELECT seq FROM markers WHERE id8 = ?)": query.marker,
            "time >= ?": query.since,
            "time < ?": query.until,
        }
        given = [(text, value) for text, value in conditions.items() if value is not None]
        given += [("instr(body, ?)", needle) for needle in query.needles()]
        where = " AND ".join(text for text, _ in given) or "1"
        limit = -1 if query.limit is None else query.limit
        with self._reader() as (connection, version):
            if not version:
                return
            rows = connection.execute(
                f"SELECT seq, {'hash' if version > 1 else 'NULL'}, body FROM events"  # noqa: S608  (fixed texts)
                f" WHERE {where} ORDER BY seq DESC LIMIT ?",
                (*(value for _, value in given), limit),
            )
            for seq, hash, body in rows:
                yield Found(seq, hash, Event.from_canonical(bytes(body)))

    def tree(self) -> Chain | None:
        with self._reader() as (connection, version):
            if version < 2:
                return None
            return sqlite_schema.parse(connection.execute("SELECT genesis, size, last, peaks FROM chain").fetchone())

    @contextlib.contextmanager
    def read(self) -> Iterator[Reading]:
        with self._reader() as (connection, version):
            if not version:
                yield Reading(None, iter(()), exists=False)
                return
            row = None
            if version > 1:
                row = connection.execute("SELECT genesis, size, last, peaks FROM chain").fetchone()
            chain = sqlite_schema.parse(row)
            reading = Reading(chain.genesis if chain else None, iter(()), chained=version > 1)
            reading.rows = sqlite_schema.rows(connection, reading)
            if chain is not None:
                peaks = b"".join(chain.frontier.peaks)
                reading.noted = lambda: (chain.size, chain.last, peaks)
            counted = connection.execute("SELECT day, door, action, n FROM counts")
            reading.counters = [((day, door, action), n) for day, door, action, n in counted]
            yield reading

    def counts(self) -> dict[CountKey, int]:
        with self._reader() as (connection, version):
            if not version:
                return {}
            return {(day, door, action): n for day, door, action, n in connection.execute("SELECT * FROM counts")}

    def problems(self) -> tuple[str, ...]:
        try:
            with self._reader() as (connection, version):
                found = connection.execute("PRAGMA quick_check(1)").fetchone() if version else ("ok",)
        except LedgerError as error:
            return (error.sentence(),)
        return () if found[0] == "ok" else (damaged(self._path.name).sentence(),)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def abandon(self) -> None:
        if self._connection is not None:
            _abandoned.append(self._connection)
            self._connection = None

    @contextlib.contextmanager
    def _reader(self) -> Iterator[tuple[sqlite3.Connection, int]]:
        """Give a connection of its own, reading one moment's state, and the schema; 0 where there is no ledger yet.

        Of its own, so that a long reading does not hold up the connection that appends.
        """
        identity, connection = self._on_disk(), None
        try:
            if identity is not None:
                self._open(seconds=READ_SECONDS, create=False)  # the log is recovered, the file is one of ours
                connection = sqlite3.connect(self._path, timeout=READ_SECONDS, isolation_level=None)
                connection.execute("PRAGMA query_only=ON")
                connection.execute("PRAGMA trusted_schema=OFF")
                connection.execute("BEGIN")
            yield (connection or sqlite3.connect(":memory:")), (sqlite_schema.version(connection) if connection else 0)
        except (sqlite3.Error, UnicodeError) as error:  # damage can stand in a message or a text
            self.close()
            raise self._explain(error, writing=False) from None
        except OSError as error:
            self.close()
            raise unreadable(files.why(error)) from None
        finally:
            if connection is not None:
                connection.close()

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
        if sqlite_schema.version(connection) > sqlite_schema.SCHEMA:
            raise unwritable("it was written by a newer version of jupyter-qguard")
        if sqlite_schema.foreign(connection):
            raise damaged(self._path.name)
        if not sqlite_schema.version(connection):
            connection.execute("BEGIN IMMEDIATE")
            sqlite_schema.create(connection)
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

    def _explain(self, error: sqlite3.Error | UnicodeError, *, writing: bool) -> LedgerError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        refused = unwritable if writing else unreadable
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return busy() if writing else unreadable("another process kept it locked")
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or isinstance(error, UnicodeError):
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
