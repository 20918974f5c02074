"""The line and column in the raw file: held against a plain search, however the notebook is written."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_qguard.cli.report import Report
from jupyter_qguard.scan.scanner import scan_bytes, scan_notebook
from tests.cli.conftest import code_cell, github_token, notebook, random_text
from tests.cli.reporting import judged

Write = Callable[[Any], str]
WRITERS: dict[str, Write] = {
    "indent 1": lambda nb: json.dumps(nb, indent=1) + "\n",
    "indent 1 utf-8": lambda nb: json.dumps(nb, indent=1, ensure_ascii=False) + "\n",
    "indent 4": lambda nb: json.dumps(nb, indent=4),
    "compact": lambda nb: json.dumps(nb, separators=(",", ":")),
    "CRLF": lambda nb: json.dumps(nb, indent=1).replace("\n", "\r\n"),
    "tabs": lambda nb: json.dumps(nb, indent="\t", ensure_ascii=False),
}


def document(tokens: list[str], *, lists: bool) -> dict[str, Any]:
    """Return a notebook with a secret in each kind of place, behind escapes and characters of all widths."""
    it = iter(tokens)

    def text(value: str) -> Any:
        return value.splitlines(keepends=True) if lists else value

    outputs = [
        {"output_type": "stream", "name": "stdout", "text": text(f'a "b"\n\x1b[1m\\{next(it)}\ttail\n')},
        {"output_type": "error", "ename": "E", "evalue": "e", "traceback": ["one", f"two 😀 {next(it)}", "three"]},
        {
            "output_type": "display_data",
            "metadata": {},
            "data": {"text/html": text(f"<b>\n<i>{next(it)}</i>"), "application/json": {"k": [0, next(it)]}},
        },
    ]
    source = f'# é 😀 "quoted"\nimport os\n\nkey = "{next(it)}"  # \\\nother = 1'
    return {
        "cells": [
            {"cell_type": "markdown", "id": "m1", "metadata": {}, "source": text("# title\n\nnothing")},
            {
                "cell_type": "code",
                "execution_count": 3,
                "id": "c1",
                "metadata": {"papermill": {"parameters": {"tok": next(it)}}, next(it): 1},
                "outputs": outputs,
                "source": text(source),
            },
        ],
        "metadata": {"note": f"é\u2028 {next(it)}"},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def naive(text: str, token: str) -> tuple[int, int, int, int]:
    at = text.index(token)
    line = text.count("\n", 0, at) + 1
    column = at - (text.rfind("\n", 0, at) + 1) + 1
    return line, column, line, column + len(token)


def regions(report: Report) -> set[tuple[int, int, int, int] | None]:
    (item,) = report.files
    assert len(item.regions) == len(item.findings)
    return set(item.regions)


@pytest.mark.parametrize("lists", [True, False], ids=["lists", "strings"])
@pytest.mark.parametrize("writer", WRITERS)
def test_a_notebook_shows_the_raw_line_of_each_finding(
    writer: str, lists: bool, env: dict[str, str], work: Path
) -> None:
    tokens = [github_token() for _ in range(8)]
    text = WRITERS[writer](document(tokens, lists=lists))
    report = judged({"a.ipynb": text.encode()}, env, work)
    assert regions(report) == {naive(text, token) for token in tokens}


@pytest.mark.parametrize("lists", [True, False], ids=["lists", "strings"])
def test_thousands_of_findings_in_one_cell_each_have_their_line(lists: bool, env: dict[str, str], work: Path) -> None:
    tokens = [github_token() for _ in range(3000)]
    lines = [f'a = "{token}"\n' for token in tokens]
    nb = json.loads(notebook(code_cell("")))
    nb["cells"][0]["source"] = lines if lists else "".join(lines)
    text = json.dumps(nb, indent=1)
    assert regions(judged({"a.ipynb": text.encode()}, env, work)) == {naive(text, token) for token in tokens}


def test_a_byte_order_mark_is_no_column(env: dict[str, str], work: Path) -> None:
    token = github_token()
    text = json.dumps(document([token, *(github_token() for _ in range(7))], lists=False))
    (plain,) = [
        region for region in regions(judged({"a.ipynb": text.encode()}, env, work)) if region == naive(text, token)
    ]
    assert plain in regions(judged({"a.ipynb": b"\xef\xbb\xbf" + text.encode()}, env, work))


def test_plain_files_show_their_own_lines(env: dict[str, str], work: Path) -> None:
    token = github_token()
    for text in (f"a = 1\n\nb = '{token}'\n", f"a\r\nb = '{token}'\r\n", f"é😀 {token}", f"\ufeff\n{token}"):
        assert regions(judged({"a.py": text.encode()}, env, work)) == {naive(text, token)}
    wide = f"x\ny = '{token}'\n"
    assert regions(judged({"a.txt": wide.encode("utf-16")}, env, work)) == {naive(wide, token)}


def test_a_finding_over_several_strings_runs_from_the_first_to_the_last(env: dict[str, str], work: Path) -> None:
    lines = ["k = '''\n", "-----BEGIN RSA PRIVATE KEY-----\n"]
    lines += [f"{random_text(64)}\n" for _ in range(6)] + ["-----END RSA PRIVATE KEY-----'''"]
    cell = {"cell_type": "code", "id": "c1", "metadata": {}, "outputs": [], "execution_count": None, "source": lines}
    text = json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1)
    ((low, _, high, _),) = [region for region in regions(judged({"a.ipynb": text.encode()}, env, work)) if region]
    raw = text.splitlines()
    assert "BEGIN RSA" in raw[low - 1]
    assert "END RSA" in raw[high - 1]


def test_what_is_encoded_shows_the_string_that_holds_it(env: dict[str, str], work: Path) -> None:
    cell = {
        "cell_type": "markdown",
        "id": "m",
        "metadata": {},
        "source": "x",
        "attachments": {"x.txt": {"text/plain": base64.b64encode(f"tok: {github_token()}\n".encode()).decode()}},
    }
    text = json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1)
    ((low, _, high, _),) = [region for region in regions(judged({"a.ipynb": text.encode()}, env, work)) if region]
    assert low == high
    assert '"text/plain": "' in text.splitlines()[low - 1]


def test_a_repeated_key_shows_the_one_that_holds_the_secret(env: dict[str, str], work: Path) -> None:
    token = github_token()
    text = '{"cells": [],\n"metadata": {"a": "nothing here",\n"a": "' + token + '",\n"a": "nor here"},\n'
    text += '"nbformat": 4, "nbformat_minor": 5}'
    assert regions(judged({"a.ipynb": text.encode()}, env, work)) == {naive(text, token)}


def test_what_has_no_lines_has_no_region(env: dict[str, str], work: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("keys.txt", f"token = {github_token()}\n")
    report = judged({"a.zip": packed.getvalue()}, env, work)
    assert regions(report) == {None}
    assert scan_notebook(json.loads(json.dumps(document([github_token()] * 8, lists=True)))).regions()[0] is None


def test_lines_are_only_looked_up_when_asked(env: dict[str, str], work: Path) -> None:
    from jupyter_qguard.cli.judge import Judge

    row = Judge(work, env).report(f"t = '{github_token()}'".encode(), "a.py", "a.py", work)
    assert (len(row.findings), row.regions) == (1, [])
    assert len(scan_bytes(b"x = 1", name="a.py").regions()) == 0
