"""IPython's history: rewritten as the notebook would be, nothing left in the file's bytes, never damaged."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from jupyter_qguard.cli import scrub_history
from jupyter_qguard.cli.judge import Judge
from jupyter_qguard.cli.scrub_item import Spot
from jupyter_qguard.errors import InputError
from tests.cli.conftest import Run, github_token

TABLES = """
CREATE TABLE sessions (session integer primary key autoincrement, start timestamp, end timestamp, num_cmds integer,
    remark text);
CREATE TABLE history (session integer, line integer, source text, source_raw text, PRIMARY KEY (session, line));
CREATE TABLE output_history (session integer, line integer, output text, PRIMARY KEY (session, line));
"""


def make(
    home: Path, rows: Sequence[tuple[int, str, str]], outputs: Sequence[tuple[int, str]] = (), mode: str = ""
) -> Path:
    """Make a history as IPython 9 does (core/history.py, init_db)."""
    file = home / ".ipython" / "profile_default" / "history.sqlite"
    file.parent.mkdir(parents=True)
    with closing(sqlite3.connect(file)) as connection:
        if mode:
            connection.execute(f"PRAGMA journal_mode={mode}")
        connection.executescript(TABLES)
        with connection:
            connection.execute("INSERT INTO sessions VALUES (1, NULL, NULL, NULL, '')")
            connection.executemany("INSERT INTO history VALUES (1, ?, ?, ?)", rows)
            connection.executemany("INSERT INTO output_history VALUES (1, ?, ?)", outputs)
    return file


def texts(file: Path) -> dict[int, tuple[str, str]]:
    with closing(sqlite3.connect(file)) as connection:
        return {
            line: (source, raw)
            for line, source, raw in connection.execute("SELECT line, source, source_raw FROM history")
        }


def everywhere(file: Path) -> bytes:
    return b"".join(part.read_bytes() for part in sorted(file.parent.glob(file.name + "*")))


def run(qguard: Run, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    done = qguard("scrub", "--format", "json", *arguments)
    return done.returncode, json.loads(done.stdout)["items"]


@pytest.mark.parametrize("mode", ["DELETE", "WAL", "PERSIST", "TRUNCATE"])
def test_rows_are_rewritten_and_no_byte_is_left(qguard: Run, home: Path, mode: str) -> None:
    token, other = github_token(), github_token()
    rows = [(1, "x = 1", "x = 1"), (2, f'k = "{token}"', f'k = "{token}"'), (3, "run()", f"!curl -H {other} a")]
    file = make(home, rows, [(2, f"'{token}'")], mode)
    code, items = run(qguard)
    assert code == 1
    assert [(item["kind"], item["action"]) for item in items] == [("history", "redact")]
    assert "session-1-line-2" in {row["cell_id"] for row in items[0]["findings"]}
    assert texts(file) == {line: (source, raw) for line, source, raw in rows}
    code, items = run(qguard, "--yes")
    assert code == 0
    assert items[0]["kept"] == 2
    for secret in (token, other):
        assert secret.encode() not in everywhere(file)
    after = texts(file)
    assert after[1] == ("x = 1", "x = 1")
    assert after[2][0].startswith('k = "[REDACTED:')
    assert after[3][0] == "run()"
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT output FROM output_history").fetchone()[0].startswith("'[REDACTED:")
    kept = {
        qguard("kept", "reveal", row["id"]).stdout.strip().decode()
        for row in json.loads(qguard("kept", "list", "--format", "json").stdout)
    }
    assert kept == {token, other}
    assert run(qguard, "--yes") == (0, [])


def test_what_was_deleted_before_is_found_in_free_pages(qguard: Run, home: Path) -> None:
    token = github_token()
    filler = [(line, f"x = '{'y' * 900}'", "x") for line in range(2, 60)]
    file = make(home, [(1, f'k = "{token}"', f'k = "{token}"'), *filler])
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("PRAGMA secure_delete=OFF")
        connection.execute("DELETE FROM history")
    assert token.encode() in everywhere(file)
    code, items = run(qguard)
    assert code == 1
    assert "free pages" in items[0]["why"]
    assert run(qguard, "--yes")[0] == 0
    assert token.encode() not in everywhere(file)
    assert run(qguard) == (0, [])


def test_a_kernel_that_reads_is_said_and_nothing_breaks(home: Path, env: dict[str, str], work: Path) -> None:
    """An open read holds up the clean-up of free pages: rows are rewritten, and the rest is told."""
    token = github_token()
    file = make(home, [(1, f'k = "{token}"', f'k = "{token}"'), (2, "x", "x")], mode="WAL")
    spot, judge = Spot("history", home / ".ipython", ("profile_default", file.name)), Judge(work, env)
    with closing(sqlite3.connect(file)) as kernel:
        reading = kernel.execute("SELECT * FROM history")
        reading.fetchone()
        item = scrub_history.item(spot, judge, wait=0.2)
        assert item is not None
        assert item.act is not None
        with pytest.raises(InputError, match="a kernel has the file open"):
            item.act()
        reading.close()
    again = scrub_history.item(spot, judge, wait=0.2)
    if again is not None:
        assert again.act is not None
        again.act()
    assert token.encode() not in everywhere(file)
    assert texts(file)[2] == ("x", "x")


def test_a_kernel_that_writes_is_waited_for_and_said(home: Path, env: dict[str, str], work: Path) -> None:
    token = github_token()
    file = make(home, [(1, f'k = "{token}"', f'k = "{token}"')])
    spot, judge = Spot("history", home / ".ipython", ("profile_default", file.name)), Judge(work, env)
    item = scrub_history.item(spot, judge, wait=0.2)
    assert item is not None
    assert item.act is not None
    with closing(sqlite3.connect(file, isolation_level=None)) as kernel:
        kernel.execute("BEGIN IMMEDIATE")
        kernel.execute("INSERT INTO history VALUES (1, 2, 'y', 'y')")
        with pytest.raises(InputError, match="locked"):
            item.act()
        kernel.execute("COMMIT")
    item.act()
    assert token.encode() not in everywhere(file)
    assert texts(file)[2] == ("y", "y")


@pytest.mark.parametrize("content", [b"", b"not a database at all" * 100, b"SQLite format 3\0" + bytes(4000)])
def test_a_damaged_file_is_said(qguard: Run, home: Path, content: bytes) -> None:
    file = home / ".ipython" / "profile_default" / "history.sqlite"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    code, items = run(qguard, "--yes")
    assert file.read_bytes() == content
    if not content:  # an empty file is an empty database
        assert (code, items) == (0, [])
        return
    assert code == 2
    assert "damaged" in items[0]["problem"]


def test_texts_that_are_no_utf8_and_odd_tables_survive(home: Path, env: dict[str, str], work: Path) -> None:
    token = github_token()
    file = make(home, [(1, f'k = "{token}"', f'k = "{token}"')])
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("INSERT INTO history VALUES (1, 2, CAST(? AS TEXT), ?)", (b"caf\xe9 = 1", b"\x00\xff"))
        connection.execute("INSERT INTO history VALUES (1, 3, NULL, 7)")
        odd = b'caf\xe9 = "' + token.encode() + b'"'
        connection.execute("INSERT INTO history VALUES (1, 4, CAST(? AS TEXT), '')", (odd,))
        connection.execute("CREATE TABLE other (a)")
        connection.execute("DROP TABLE output_history")
    spot = Spot("history", home / ".ipython", ("profile_default", file.name))
    item = scrub_history.item(spot, Judge(work, env))
    assert item is not None
    assert item.act is not None
    item.act()
    assert token.encode() not in everywhere(file)
    with closing(sqlite3.connect(file)) as connection:
        connection.text_factory = bytes
        rows = dict(connection.execute("SELECT line, source FROM history"))
        assert rows[2] == b"caf\xe9 = 1"
        assert rows[3] is None
        assert rows[4].startswith(b'caf\xe9 = "[REDACTED:')


def test_nothing_is_written_where_nothing_can_be_kept(qguard: Run, home: Path) -> None:
    token = github_token()
    file = make(home, [(1, f'k = "{token}"', f'k = "{token}"')])
    before = file.read_bytes()
    done = qguard("scrub", "--yes", extra={"QGUARD_KEEP": "none"})
    assert done.returncode == 2
    assert file.read_bytes() == before
    assert token.encode() not in done.stdout + done.stderr


def test_ipythondir_is_followed(qguard: Run, home: Path, tmp_path: Path) -> None:
    token = github_token()
    make(home, [(1, f'k = "{token}"', f'k = "{token}"')])
    (home / ".ipython").rename(tmp_path / "elsewhere")
    done = qguard("scrub", extra={"IPYTHONDIR": str(tmp_path / "elsewhere")})
    assert done.returncode == 1
    assert b"elsewhere/profile_default/history.sqlite" in done.stdout


def test_a_long_history_goes_in_batches(home: Path, env: dict[str, str], work: Path) -> None:
    token = github_token()
    rows = [(line, f"x{line} = {line}", f"x{line} = {line}") for line in range(1, 1600)]
    rows[1200] = (1201, f'k = "{token}"', f'k = "{token}"')
    file = make(home, rows)
    item = scrub_history.item(Spot("history", home / ".ipython", ("profile_default", file.name)), Judge(work, env))
    assert item is not None
    assert item.act is not None
    assert len(item.findings) == 1, "source and source_raw are one line to a person"
    item.act()
    after = texts(file)
    assert len(after) == len(rows)
    assert after[1200] == ("x1200 = 1200", "x1200 = 1200")
    assert token not in after[1201][0]
