"""The bypass table is a promise: each row names a test that exists, or says that nothing stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "bypasses.md"


def table(text: str) -> list[list[str]]:
    """Return the cells of every body row of every table in a Markdown text."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")
    ]
    return [row for row in rows if row[0] != "id"]


ROWS = table(PAGE.read_text(encoding="utf-8"))


def test_table_is_read() -> None:
    assert len(ROWS) > 20


def test_ids_are_unique_and_plain() -> None:
    ids = [row[0] for row in ROWS]
    assert len(ids) == len(set(ids))
    assert [one for one in ids if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", one)] == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_row_names_a_test_or_says_not_guarded(row: list[str]) -> None:
    _, way, state, advice = row
    assert way
    assert advice, "say what a reader can do"
    if state == "not guarded":
        return
    named = re.fullmatch(r"`(tests/[\w/]+\.py)::(\w+)`", state)
    assert named, f"neither a test nor 'not guarded': {state}"
    assert f"def {named[2]}(" in (ROOT / named[1]).read_text(encoding="utf-8")
