"""A secret at thirty places of one saved notebook: none of them reaches the disk."""

from __future__ import annotations

import base64
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server.harness import Server, code_cell, notebook

WIDGETS = "application/vnd.jupyter.widget-state+json"


def display(mime: str, data: object) -> dict:
    return {"output_type": "display_data", "metadata": {}, "data": {mime: data}}


def markdown(source: object, **more: object) -> dict:
    return {"cell_type": "markdown", "id": "m1", "metadata": {}, "source": source, **more}


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def zipped(text: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", json.dumps({"key": text}))
    return target.getvalue()


PLACES: dict[str, Callable[[str], dict]] = {
    "source": lambda s: notebook(code_cell(f'key = "{s}"')),
    "source, list": lambda s: notebook(code_cell(["import os\n", f'key = "{s}"\n'])),
    "source, split over list items": lambda s: notebook(code_cell([f'key = "{s[:9]}', f'{s[9:]}"\n'])),
    "source, shell": lambda s: notebook(code_cell(f"!export AWS_ACCESS_KEY_ID={s}")),
    "source, comment": lambda s: notebook(code_cell(f"# old key: {s}")),
    "source, bytes literal": lambda s: notebook(code_cell(f"key = b'{s}'")),
    "source, invalid python": lambda s: notebook(code_cell(f"key = = {s} (")),
    "markdown": lambda s: notebook(markdown(f"My key is `{s}`.")),
    "markdown, data uri": lambda s: notebook(markdown(f"![x](data:text/plain;base64,{b64(('key ' + s).encode())})")),
    "raw cell": lambda s: notebook({"cell_type": "raw", "id": "r1", "metadata": {}, "source": s}),
    "stream": lambda s: notebook(code_cell("", [{"output_type": "stream", "name": "stdout", "text": s}])),
    "stream, list": lambda s: notebook(
        code_cell("", [{"output_type": "stream", "name": "stderr", "text": ["a\n", s + "\n"]}])
    ),
    "traceback, ANSI": lambda s: notebook(
        code_cell(
            "",
            [
                {
                    "output_type": "error",
                    "ename": "ValueError",
                    "evalue": f"bad {s}",
                    "traceback": [f"\x1b[0;31mValueError\x1b[0m: bad \x1b[1m{s}\x1b[0m"],
                }
            ],
        )
    ),
    "text/plain": lambda s: notebook(code_cell("", [display("text/plain", f"'{s}'")])),
    "text/html": lambda s: notebook(code_cell("", [display("text/html", f"<b>{s}</b>")])),
    "text/html, entities": lambda s: notebook(
        code_cell("", [display("text/html", "".join(f"&#{ord(letter)};" for letter in s))])
    ),
    "text/markdown": lambda s: notebook(code_cell("", [display("text/markdown", [f"**{s}**\n"])])),
    "text/latex": lambda s: notebook(code_cell("", [display("text/latex", f"$${s}$$")])),
    "image/svg+xml": lambda s: notebook(code_cell("", [display("image/svg+xml", f"<svg><text>{s}</text></svg>")])),
    "application/javascript": lambda s: notebook(code_cell("", [display("application/javascript", f"x = '{s}'")])),
    "application/json": lambda s: notebook(code_cell("", [display("application/json", {"a": [{"b": s}]})])),
    "vendor+json": lambda s: notebook(
        code_cell("", [display("application/vnd.plotly.v1+json", {"data": [{"text": [s]}]})])
    ),
    "octet stream, base64": lambda s: notebook(
        code_cell("", [display("application/octet-stream", b64(f"key={s}".encode()))])
    ),
    "zip, base64": lambda s: notebook(code_cell("", [display("application/zip", b64(zipped(s)))])),
    "gzip, base64": lambda s: notebook(
        code_cell("", [display("application/gzip", b64(gzip.compress(f"key={s}\n".encode())))])
    ),
    "output metadata": lambda s: notebook(
        code_cell("", [{"output_type": "display_data", "data": {}, "metadata": {"url": f"x?{s}"}}])
    ),
    "cell metadata": lambda s: notebook(code_cell("", metadata={"tags": [s]})),
    "metadata key": lambda s: notebook(code_cell("", metadata={"extra": {s: 1}})),
    "notebook metadata, papermill": lambda s: notebook(code_cell(), papermill={"parameters": {"token": s}}),
    "widget state": lambda s: notebook(
        code_cell(), widgets={WIDGETS: {"version_major": 2, "state": {"a": {"state": {"value": s}}}}}
    ),
    "attachment": lambda s: notebook(
        markdown("![a](attachment:a.txt)", attachments={"a.txt": {"text/plain": b64(f"key={s}".encode())}})
    ),
    "attachment, utf-16": lambda s: notebook(
        markdown("x", attachments={"a.txt": {"text/plain": b64(f"key={s}".encode("utf-16"))}})
    ),
}


@pytest.mark.parametrize("where", list(PLACES))
def test_a_secret_in_a_saved_notebook(default_server: Server, folder: str, plant: str, where: str) -> None:
    (default_server.root / folder).mkdir()
    path = f"{folder}/a.ipynb"
    reply = default_server.save(path, PLACES[where](plant)).ok()
    assert reply.json["qguard"]["action"] == "redact"
    assert reply.json["qguard"]["findings"]
    text = Path(default_server.root / path).read_text()
    assert plant not in text
    assert plant not in _unpacked(json.loads(text))
    assert default_server.contents("GET", path).status == 200
    assert default_server.where(plant) == []


def _unpacked(node: object) -> str:
    """Return every text in a notebook, joined where it is a list of lines, and decoded where it is packed."""
    if isinstance(node, dict):
        return "\n".join(str(key) + "\n" + _unpacked(value) for key, value in node.items())
    if isinstance(node, list):
        if node and all(isinstance(item, str) for item in node):
            return "".join(node)
        return "\n".join(_unpacked(item) for item in node)
    if not isinstance(node, str):
        return ""
    try:
        data = base64.b64decode(node, validate=True)
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        if data[:2] == b"PK":
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                data = b"".join(archive.read(name) for name in archive.namelist())
        return node + data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8", "replace")
    except (ValueError, OSError):
        return node
