"""IPython's history: rows rewritten to the redacted text, and nothing of the old text left in the file.

A row is judged as the cell that it was, so that history and notebook lose the same. ``secure_delete`` makes SQLite
overwrite what it frees, VACUUM leaves out what was freed before, and a checkpoint empties the write-ahead log
(https://www.sqlite.org/pragma.html#pragma_secure_delete, lang_vacuum.html, pragma.html#pragma_wal_checkpoint).
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_qguard.cli import safely
from jupyter_qguard.cli.exits import os_reason, place
from jupyter_qguard.cli.judge import Judge
from jupyter_qguard.cli.scrub_item import Done, Item, Spot
from jupyter_qguard.errors import ConfigError, InputError, QGuardError
from jupyter_qguard.messages import count
from jupyter_qguard.secret import Secret

if TYPE_CHECKING:
    from jupyter_qguard.cli.asked import Look

WAIT_SECONDS = 10.0
"""How long to wait for a kernel that is writing its history."""
MOST_BYTES = 1 << 30
_BATCH_ROWS, _BATCH_CHARACTERS = 500, 1 << 20
_BESIDE = ("", "-wal", "-journal")
_COLUMNS = (("history", "source_raw"), ("history", "source"), ("output_history", "output"), ("sessions", "remark"))


@dataclass(frozen=True, slots=True)
class Row:
    """One text of one row. ``name`` says which to people: ``session-3-line-12``."""

    table: str
    column: str
    rowid: int
    name: str
    text: str


def item(spot: Spot, judge: Judge, *, wait: float = WAIT_SECONDS) -> Item | None:
    """Return what is to be done about one history file, None for nothing. Changes nothing."""
    try:
        with safely.folder(spot.base, spot.parts[:-1]) as folder:
            info = folder.stat(spot.name)
        if not safely.mine(info.st_uid):
            return Item(spot, "report", "belongs to another user, who has to clean it")
        if info.st_size > MOST_BYTES:
            return Item(spot, "report", "could not be judged", problem="it is larger than 1 GiB. Delete it by hand.")
        # IPython stores most lines twice, as typed and as run: a person counts them once.
        found = {_place(row): row for _, look in _judged(spot, judge, wait) for row in _chosen(look)}
        rows = list(found.values())
        hidden = _hidden(spot, judge, wait)
    except FileNotFoundError:
        return None
    except sqlite3.Error as error:
        return Item(spot, "report", "could not be judged", problem=_why(error))
    except ConfigError:
        raise
    except QGuardError as error:
        return Item(spot, "report", "could not be judged", problem=error.sentence())
    except OSError as error:
        return Item(spot, "report", "could not be judged", problem=f"{os_reason(error)}. Look into it by hand.")
    except Exception as error:  # its text may quote the content
        return Item(spot, "report", "could not be judged", problem=f"the scanner failed on it ({place(error)}).")
    if not rows and not hidden:
        return None
    why = "rows are rewritten, values are kept first, and free pages are emptied"
    if not rows:
        why = "no row holds a secret, but what was deleted from it still lies in free pages: these are emptied"
    return Item(spot, "redact", why, rows or hidden, act=lambda: _act(spot, judge, wait))


def standing(spot: Spot, judge: Judge, *, wait: float = WAIT_SECONDS) -> Iterator[dict[str, Any]]:
    """Yield the findings of every row, as contract §5 objects. Raises sqlite3.Error, QGuardError, OSError."""
    for _, look in _judged(spot, judge, wait):
        yield from look.findings


def _judged(spot: Spot, judge: Judge, wait: float) -> Iterator[tuple[list[Row], Look]]:
    with contextlib.closing(_open(spot.path, "ro", wait)) as connection:
        for batch in _batches(connection):
            yield batch, _look(spot, judge, batch)


def _chosen(look: Look) -> list[dict[str, Any]]:
    return [look.findings[number] for number in look.to_cut()]


def _place(row: dict[str, Any]) -> tuple[object, ...]:
    return tuple(row[name] for name in ("rule", "fingerprint", "cell_id", "field", "line", "column"))


def _look(spot: Spot, judge: Judge, batch: list[Row]) -> Look:
    return judge.look(_notebook(batch), "/".join(spot.parts) + ".ipynb", spot.base)


def _notebook(batch: list[Row]) -> bytes:
    """Return rows as the notebook that they came from: one cell each, outputs as outputs."""
    cells = []
    for row in batch:
        cell: dict[str, Any] = {"cell_type": "code", "id": row.name, "metadata": {}, "execution_count": None}
        stream = {"output_type": "stream", "name": "stdout", "text": row.text}
        output = row.table == "output_history"
        cells.append(cell | {"source": "" if output else row.text, "outputs": [stream] if output else []})
    document = {"cells": cells, "metadata": {"language_info": {"name": "python"}}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(document).encode()


def _texts(notebook: bytes) -> list[str]:
    """Return the texts of the rows of a redacted notebook, in order."""
    return [cell["outputs"][0]["text"] if cell["outputs"] else cell["source"] for cell in json.loads(notebook)["cells"]]


def _batches(connection: sqlite3.Connection) -> Iterator[list[Row]]:
    """Yield the texts of all tables. A text that is no UTF-8 is kept byte for byte by surrogates."""
    known = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    batch: list[Row] = []
    size = 0
    for table, column in _COLUMNS:
        if table not in known:
            continue
        names = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
        if not {column, "session"} <= names:
            continue
        line = "line" if "line" in names else "0"
        query = f"SELECT rowid, session, {line}, {column} FROM {table} WHERE {column} <> ''"  # noqa: S608  (fixed names above)
        for rowid, session, number, text in connection.execute(query):
            if not isinstance(text, str):
                continue
            batch.append(Row(table, column, rowid, f"session-{session}-line-{number}", text))
            size += len(text)
            if len(batch) >= _BATCH_ROWS or size >= _BATCH_CHARACTERS:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch


def _hidden(spot: Spot, judge: Judge, wait: float) -> list[dict[str, Any]]:
    """Return findings in the file's bytes, its log and journal that no live row accounts for."""
    raw = _raw_findings(spot, judge)
    if not raw:
        return []
    with contextlib.closing(_open(spot.path, "ro", wait)) as live, contextlib.closing(_memory()) as clean:
        live.backup(clean)
        clean.execute("VACUUM")
        standing = _raw_look(spot, judge, clean.serialize())
    return [row for key, row in raw.items() if key not in standing]


def _raw_findings(spot: Spot, judge: Judge) -> dict[tuple[str, str], dict[str, Any]]:
    found: dict[tuple[str, str], dict[str, Any]] = {}
    with safely.folder(spot.base, spot.parts[:-1]) as folder:
        for ending in _BESIDE:
            with contextlib.suppress(FileNotFoundError):
                found |= _raw_look(spot, judge, folder.read(spot.name + ending, MOST_BYTES).data)
    return found


def _raw_look(spot: Spot, judge: Judge, data: bytes) -> dict[tuple[str, str], dict[str, Any]]:
    look = judge.look(data, "/".join(spot.parts), spot.base)
    rows = (look.findings[number] for number in look.to_cut())
    return {(row["rule"], row["fingerprint"]): row for row in rows}


def _act(spot: Spot, judge: Judge, wait: float) -> Done:
    """Rewrite, empty, and look again. Raises InputError, KeepError, LedgerError."""
    removed: list[Secret] = []
    kept = 0
    try:
        with contextlib.closing(_open(spot.path, "rw", wait)) as connection:
            if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                raise InputError("the file is damaged.", "Delete it by hand: IPython makes a new one.")
            connection.execute("PRAGMA secure_delete=ON")
            connection.execute("BEGIN IMMEDIATE")
            changed = 0
            for batch in list(_batches(connection)):
                texts, ids, gone = _cut(spot, judge, batch)
                kept += ids
                removed += gone
                for row, text in zip(batch, texts, strict=True):
                    if text != row.text:
                        statement = f"UPDATE {row.table} SET {row.column} = CAST(? AS TEXT) WHERE rowid = ?"  # noqa: S608
                        connection.execute(statement, (text.encode("utf-8", "surrogateescape"), row.rowid))
                        changed += 1
            connection.execute("COMMIT")
            _empty(connection)
        _verify(spot, removed, wait)
    except sqlite3.Error as error:
        raise InputError(_why(error)) from None
    return Done(f"{count(changed, 'text')} rewritten, free pages emptied", kept)


def _cut(spot: Spot, judge: Judge, batch: list[Row]) -> tuple[list[str], int, list[Secret]]:
    """Return the texts of a batch without secrets, how many values were kept, and what was taken out."""
    from jupyter_qguard.cli import asked
    from jupyter_qguard.cli.scrub_record import note
    from jupyter_qguard.guard import Request

    look = _look(spot, judge, batch)
    chosen = look.to_cut()
    if not chosen:
        return [row.text for row in batch], 0, []
    guard = judge.guard(spot.base)
    request = Request("commit", "/".join(spot.parts), sole_copy=guard.keeper is not None)
    done = asked.cut(guard, look, chosen, request, record=True, note=note(spot, "redacted"))
    return _texts(done.content), len(done.kept), [entry.text for entry in done.removed]


def _empty(connection: sqlite3.Connection) -> None:
    """Leave nothing behind in free pages, in the write-ahead log or in a journal that is kept. Raises InputError."""
    try:
        mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
        connection.execute("VACUUM")
        if mode == "wal":
            busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            if busy:
                raise _still_open()
        elif mode != "delete":
            connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.OperationalError:
        raise _still_open() from None


def _verify(spot: Spot, removed: list[Secret], wait: float) -> None:
    """Look for what was taken out in every byte of the file and of those beside it. Raises InputError.

    A short value may still stand in a row as an ordinary word; such a one is not looked for.
    """
    with contextlib.closing(_open(spot.path, "ro", wait)) as connection:
        live = "\n".join(row.text for batch in _batches(connection) for row in batch)
    gone = {text for text in (entry.reveal() for entry in removed) if len(text) >= 8 and text not in live}
    needles = [text.encode("utf-8", "surrogateescape") for text in gone]
    with safely.folder(spot.base, spot.parts[:-1]) as folder:
        for ending in _BESIDE:
            with contextlib.suppress(FileNotFoundError):
                data = folder.read(spot.name + ending, MOST_BYTES).data
                if any(needle in data for needle in needles):
                    raise _still_open()


def _still_open() -> InputError:
    return InputError(
        "its rows were rewritten, but a kernel has the file open, so that the old text stays in its free pages.",
        "Shut kernels down and run the command again.",
    )


def _open(path: Path, mode: str, wait: float) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=wait, isolation_level=None
    )
    connection.text_factory = _decode
    connection.execute("PRAGMA trusted_schema=OFF")
    return connection


def _memory() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", isolation_level=None)


def _decode(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _why(error: sqlite3.Error) -> str:
    """Return why SQLite refused, without its own text, which may quote."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return "a kernel kept it locked. Nothing was done to it; run the command again, or shut kernels down first."
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return "the file is damaged, so that its rows cannot be read. Delete it by hand: IPython makes a new one."
    if code == sqlite3.SQLITE_FULL:
        return "the disk is full. Nothing was done to it; make room and run the command again."
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return "it cannot be opened for writing. Check its permissions."
    return "SQLite refused. Shut kernels down and run the command again."
