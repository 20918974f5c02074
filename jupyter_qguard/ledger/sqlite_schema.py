"""The tables of the SQLite ledger, how older ones become the present ones, and the chain's note of itself.

Schema 1 had no hashes. Schema 2 keeps each entry's hash beside it and, in the one row of ``chain``, where the chain
stands: written in the transaction that appends, so that appending never reads the ledger.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

from jupyter_qguard.ledger.chain import Chain, chained_since
from jupyter_qguard.ledger.event import Event
from jupyter_qguard.ledger.merkle import LENGTH, Frontier
from jupyter_qguard.ledger.store import Reading, Row

SCHEMA = 2
_TABLES = """
CREATE TABLE events (seq INTEGER PRIMARY KEY, time TEXT NOT NULL, path BLOB NOT NULL, body BLOB NOT NULL, hash BLOB);
CREATE INDEX events_by_path ON events (path, seq);
CREATE TABLE markers (id8 TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (id8, seq)) WITHOUT ROWID;
CREATE TABLE counts (day TEXT NOT NULL, door TEXT NOT NULL, action TEXT NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (day, door, action)) WITHOUT ROWID;
"""
_CHAIN = """
CREATE TABLE chain (one INTEGER PRIMARY KEY CHECK (one = 1), genesis BLOB NOT NULL, size INTEGER NOT NULL,
    last BLOB NOT NULL, peaks BLOB NOT NULL);
CREATE TRIGGER events_stay BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER events_remain BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'append-only'); END;
"""
_NO_TRIGGERS = """
DROP TRIGGER IF EXISTS events_stay;
DROP TRIGGER IF EXISTS events_remain;
"""


def version(connection: sqlite3.Connection) -> int:
    """Return the schema of a ledger, 0 for an empty file."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def foreign(connection: sqlite3.Connection) -> bool:
    """Return whether this is somebody else's database: tables, but no schema of ours."""
    return bool(version(connection) == 0 and connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])


def create(connection: sqlite3.Connection) -> None:
    """Make the tables in an empty file. The caller holds the transaction."""
    _run(connection, _TABLES + _CHAIN)
    connection.execute(f"PRAGMA user_version={SCHEMA}")


def chain(connection: sqlite3.Connection) -> Chain:
    """Return where the chain stands, for appending to it; an older ledger is chained first.

    The caller holds a writing transaction, and everything done here is part of it.
    """
    if version(connection) == 1:
        return _upgrade(connection)
    row = connection.execute("SELECT genesis, size, last, peaks FROM chain").fetchone()
    if row is None and connection.execute("SELECT 1 FROM events LIMIT 1").fetchone() is None:
        return Chain.new()
    found = parse(row)
    if found is None:  # lost or changed: saves must go on, and verify tells
        found = Chain.again(_hashes(connection))
    return found


def parse(row: Any) -> Chain | None:
    """Return a chain from its row (genesis, size, last, peaks), None where that is not one."""
    try:
        genesis, size, last, peaks = row
        if len(genesis) != LENGTH or len(last) != LENGTH or len(peaks) % LENGTH:
            return None
        parts = [peaks[at : at + LENGTH] for at in range(0, len(peaks), LENGTH)]
        return Chain(genesis, last, Frontier(size, parts))
    except (TypeError, ValueError, AttributeError):
        return None


def note(connection: sqlite3.Connection, chain: Chain) -> None:
    """Write down where the chain stands."""
    connection.execute(
        "INSERT OR REPLACE INTO chain VALUES (1, ?, ?, ?, ?)",
        (chain.genesis, chain.size, chain.last, b"".join(chain.frontier.peaks)),
    )


def insert(connection: sqlite3.Connection, seq: int, event_time: str, path: bytes, body: bytes, hash: bytes) -> None:
    """Append one row."""
    connection.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?)", (seq, event_time, path, body, hash))


def rows(connection: sqlite3.Connection, reading: Reading) -> Iterator[Row]:
    """Yield every entry with its index, oldest first; markers that belong to no entry are noted as odd."""
    # A damaged number may have become text or bytes, which compare with nothing.
    if connection.execute("SELECT count(*) FROM markers WHERE typeof(seq) <> 'integer'").fetchone()[0]:
        reading.note("marker", 0)
    marks = connection.execute("SELECT seq, id8 FROM markers WHERE typeof(seq) = 'integer' ORDER BY seq")
    mark = marks.fetchone()
    none: frozenset[object] = frozenset()
    hashes = "hash" if version(connection) > 1 else "NULL"
    entries = connection.execute(f"SELECT seq, {hashes}, body, time, path FROM events ORDER BY seq")  # noqa: S608
    for seq, hash, body, time, path in entries:
        own = none
        while mark is not None and mark[0] <= seq:
            if mark[0] == seq:
                own |= {mark[1]}
            else:
                reading.note("marker", mark[0])
            mark = marks.fetchone()
        if not isinstance(body, bytes):
            body = b""  # an entry's bytes are bytes: anything else was put there
        yield Row(seq, hash, body, (time, path, own))
    while mark is not None:
        reading.note("marker", mark[0])
        mark = marks.fetchone()


def _upgrade(connection: sqlite3.Connection) -> Chain:
    """Chain the entries of a schema 1 ledger as they stand, and record that."""
    _run(connection, _NO_TRIGGERS + "ALTER TABLE events ADD COLUMN hash BLOB;\n")
    chain, last = Chain.new(), 0
    for seq, body in connection.execute("SELECT seq, body FROM events ORDER BY seq"):
        connection.execute("UPDATE events SET hash = ? WHERE seq = ?", (chain.extend(bytes(body)), seq))
        last = seq
    _run(connection, _CHAIN)
    if last:
        body = chained_since(chain.size)
        insert(connection, last + 1, Event.from_canonical(body).time, b"", body, chain.extend(body))
    connection.execute(f"PRAGMA user_version={SCHEMA}")
    return chain


def _hashes(connection: sqlite3.Connection) -> Iterator[bytes]:
    for (one,) in connection.execute("SELECT hash FROM events ORDER BY seq"):
        if isinstance(one, bytes) and len(one) == LENGTH:
            yield one


def _run(connection: sqlite3.Connection, script: str) -> None:
    """Run statements one by one (``executescript`` would commit before it runs)."""
    pending = ""
    for line in script.strip().splitlines():
        pending += line + "\n"
        if sqlite3.complete_statement(pending):
            connection.execute(pending)
            pending = ""
