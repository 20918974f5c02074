"""``qguard why`` maps where a value still stands; it never prints the value, and its time is bounded."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from jupyter_qguard.cli import why_standing
from jupyter_qguard.cli.why_standing import Wanted
from jupyter_qguard.secret import Secret
from tests.cli.conftest import Run, code_cell, github_token, notebook


def redacted_id(qguard: Run, work: Path, token: str) -> str:
    """Redact a notebook that holds the token; return the marker's id."""
    (work / "first.ipynb").write_bytes(notebook(code_cell(f'key = "{token}"')))
    assert qguard("redact", "--in-place", "first.ipynb").returncode == 0
    text = (work / "first.ipynb").read_text()
    return text[text.index("[REDACTED:") :].split("]")[0].rpartition(":")[2]


def test_every_place_is_named_with_cell_and_line(qguard: Run, work: Path, home: Path, git: object) -> None:
    token = github_token()
    marker = redacted_id(qguard, work, token)
    put = {
        work / "second.ipynb": notebook(code_cell("x"), code_cell(f'x = 1\nkey = "{token}"', "c2")),
        work / ".ipynb_checkpoints" / "old-checkpoint.ipynb": notebook(code_cell(f'key = "{token}"')),
        work / ".~old.ipynb": notebook(code_cell(f'key = "{token}"')),
        work / "notes.txt": f"\nkey: {token}\n".encode(),
        home / ".local" / "share" / "Trash" / "files" / "gone.ipynb": notebook(code_cell(f'key = "{token}"')),
        work / "other.ipynb": notebook(code_cell(f'key = "{github_token()}"')),
    }
    for file, data in put.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    database = home / ".ipython" / "profile_default" / "history.sqlite"
    database.parent.mkdir(parents=True)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE history (session integer, line integer, source text, source_raw text)")
        connection.execute("INSERT INTO history VALUES (3, 7, ?, '')", (f'key = "{token}"',))
    done = qguard("why", marker)
    said = done.stdout.decode()
    assert done.returncode == 0
    assert "second.ipynb, cell 2 (c2), source, line 2" in said
    assert "old-checkpoint.ipynb (checkpoint), cell 1" in said
    assert ".~old.ipynb (left behind by a save), cell 1" in said
    assert "notes.txt, line 2" in said
    assert "gone.ipynb (in the trash), cell 1" in said
    assert "history.sqlite (IPython history), session-3-line-7" in said
    standing = said[said.index("THE VALUE ITSELF") :]
    assert "other.ipynb" not in standing
    assert "first.ipynb" not in standing
    assert f"git -C {work} log --all --oneline -- notes.txt second.ipynb" in said
    assert token.encode() not in done.stdout + done.stderr


def test_a_value_that_stands_nowhere(qguard: Run, work: Path) -> None:
    marker = redacted_id(qguard, work, github_token())
    done = qguard("why", marker)
    assert done.returncode == 0
    assert b"found in none of" in done.stdout


def test_a_kept_value_is_found_where_no_rule_looks(qguard: Run, work: Path) -> None:
    """The exact text in a file's bytes counts, whatever the file is."""
    token = github_token()
    marker = redacted_id(qguard, work, token)
    (work / "odd.bin").write_bytes(b"\x00\x01\xff" + token.encode("utf-16-le") + b"\xff" * 99)
    done = qguard("why", marker)
    assert b"odd.bin" in done.stdout
    assert token.encode() not in done.stdout


def test_what_cannot_be_read_is_counted(qguard: Run, work: Path, home: Path) -> None:
    marker = redacted_id(qguard, work, github_token())
    database = home / ".ipython" / "profile_default" / "history.sqlite"
    database.parent.mkdir(parents=True)
    database.write_bytes(b"no database" * 100)
    done = qguard("why", marker)
    assert done.returncode == 0
    assert b"(1 file could not be looked into)" in done.stdout


def test_an_id_of_zeros_is_not_looked_for(qguard: Run) -> None:
    done = qguard("why", "00000000")
    assert b"has no id of its own" in done.stdout


def test_time_is_bounded(work: Path, env: dict[str, str]) -> None:
    for number in range(9):
        (work / f"{number}.txt").write_text("x")
    ticks = count()
    seen: list[int] = []
    found = why_standing.look(
        Wanted("12345678", "", ()), work, work, env, seconds=3, clock=lambda: next(ticks), progress=seen.append
    )
    assert found.out_of_time
    assert 0 < found.looked < 9
    assert seen == list(range(1, found.looked + 1))


@pytest.mark.parametrize("text", ["short", "x"])
def test_short_kept_values_are_not_looked_for_as_text(text: str) -> None:
    assert Wanted("12345678", "", (Secret(text),)).needles() == []
    assert len(Wanted("12345678", "", (Secret("long enough"),)).needles()) == 3
