"""Secrets planted in every corner of a notebook and around it turn up in nothing that the program says."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run, code_cell, github_token, notebook


def planted(work: Path) -> list[str]:
    """Fill ``work`` with secrets in many places; return their texts."""
    tokens = [github_token() for _ in range(16)]
    it = iter(tokens)
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": f"{next(it)}\n"},
        {"output_type": "stream", "name": "stderr", "text": f"\x1b[31m{next(it)}\x1b[0m"},
        {"output_type": "error", "ename": next(it), "evalue": next(it), "traceback": [f"  {next(it)}"]},
        {
            "output_type": "display_data",
            "metadata": {"note": next(it)},
            "data": {
                "text/html": f"<b>{next(it)}</b>",
                "application/json": {"key": next(it)},
                "image/svg+xml": f"<svg><text>{next(it)}</text></svg>",
            },
        },
    ]
    cell = code_cell(f"# café\nt = '{next(it)}'", outputs=outputs)
    cell["metadata"] = {"parameters": {"tok": next(it)}, next(it): 1}
    markdown = {"cell_type": "markdown", "id": "m", "metadata": {}, "source": f"![x](attachment:x.txt) {next(it)}"}
    markdown["attachments"] = {"x.txt": {"text/plain": base64.b64encode(next(it).encode()).decode()}}
    (work / "a.ipynb").write_bytes(notebook(cell, markdown))
    (work / "broken.ipynb").write_text(f'{{"cells": [{{"source": "{next(it)}"')
    (work / "settings.py").write_text(f"TOKEN = '{next(it)}'\n")
    assert list(it) == []
    return tokens


@pytest.mark.parametrize(
    "arguments",
    [
        ("scan", "."),
        ("scan", ".", "--explain"),
        ("scan", ".", "--format", "json"),
        ("scan", ".", "-o", "report.txt"),
        ("scan", ".", "-j", "2"),
        ("scan", "--staged"),
        ("redact", "--check", "a.ipynb", "settings.py", "broken.ipynb"),
        ("redact", "a.ipynb"),
        ("redact", "broken.ipynb"),
        ("redact", "settings.py", "-o", "copy.py"),
        ("redact", "--in-place", "a.ipynb", "settings.py", "broken.ipynb"),
        ("doctor",),
    ],
)
def test_no_secret_is_ever_printed(qguard: Run, work: Path, home: Path, arguments: tuple[str, ...]) -> None:
    tokens = planted(work)
    done = qguard(*arguments)
    said = [done.stdout, done.stderr]
    said += [(work / name).read_bytes() for name in ("report.txt", "copy.py") if (work / name).exists()]
    said += [path.read_bytes() for path in home.rglob("*") if path.is_file()]
    if "--in-place" in arguments:
        said += [(work / "a.ipynb").read_bytes(), (work / "settings.py").read_bytes()]
    for text in said:
        for token in tokens:
            core = token[4:]
            assert not any(core[n : n + 8].encode() in text for n in range(len(core) - 7))


def test_every_plant_is_found(qguard: Run, work: Path) -> None:
    tokens = planted(work)
    document = json.loads(qguard("scan", ".", "--format", "json").stdout)
    assert {file["path"]: file["verdict"] for file in document["files"]} == {
        "a.ipynb": "redact",
        "broken.ipynb": "block",
        "settings.py": "block",
    }
    assert document["summary"]["findings"] >= len(tokens)


def test_why_and_kept_list_print_no_secret(qguard: Run, work: Path) -> None:
    tokens = planted(work)
    assert qguard("redact", "--in-place", "a.ipynb", "settings.py").returncode == 0
    listed = json.loads(qguard("kept", "list", "--format", "json").stdout)
    assert listed
    said = [qguard("kept", "list").stdout] + [qguard("why", entry["id"][:8]).stdout for entry in listed]
    assert not any(token[4:12].encode() in text for text in said for token in tokens)
    revealed = {qguard("kept", "reveal", entry["id"]).stdout.decode().strip() for entry in listed}
    assert revealed <= set(tokens)
