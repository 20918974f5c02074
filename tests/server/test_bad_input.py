"""Hostile and broken requests: judged, or refused with one clear sentence; nothing written, nothing quoted."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path

import pytest

from tests.server.harness import Server, aws, code_cell, notebook, with_secret


def _files(place: Path) -> list[str]:
    return sorted(str(file.relative_to(place)) for file in place.rglob("*") if file.is_file())


@pytest.mark.parametrize("raw", [b"{", b"\xff\xfe\x00", b"nul\x00l", b'{"type": "notebook", "content": '])
def test_a_body_that_is_no_json(server: Server, place: Path, plant: str, raw: bytes) -> None:
    reply = server.call("PUT", f"api/contents/{place.name}/a.ipynb", raw=raw + plant.encode())
    assert reply.status in (400, 500)
    assert _files(place) == []
    assert plant not in reply.body.decode("utf-8", "replace")
    assert server.where(plant) == []


WRONG = {
    "notebook content a list": {"type": "notebook", "content": [1]},
    "notebook content a text": {"type": "notebook", "content": "{}"},
    "notebook content null": {"type": "notebook", "content": None},
    "no cells, no version": {"type": "notebook", "content": {}},
    "cells a text": {"type": "notebook", "content": {"cells": "PLANT", "metadata": {}, "nbformat": 4}},
    "cells of texts": {"type": "notebook", "content": {"cells": ["PLANT"], "metadata": {}, "nbformat": 4}},
    "version a text": {"type": "notebook", "content": {"cells": [], "metadata": {}, "nbformat": "PLANT"}},
    "version 99": {"type": "notebook", "content": {"cells": [], "metadata": {"x": "PLANT"}, "nbformat": 99}},
    "file content an object": {"type": "file", "format": "text", "content": {"a": "PLANT"}},
    "file content a number": {"type": "file", "format": "text", "content": 3},
    "format unknown": {"type": "file", "format": "rot13", "content": "PLANT"},
    "format missing": {"type": "file", "content": "PLANT"},
    "base64 broken": {"type": "file", "format": "base64", "content": "A"},
    "base64 not ASCII": {"type": "file", "format": "base64", "content": "PLANT\u00e9"},
    "lone surrogate in a text": {"type": "file", "format": "text", "content": "\ud800 PLANT"},
    "chunk an object": {"type": "file", "format": "text", "content": "PLANT", "chunk": {}},
}


@pytest.mark.parametrize("name", list(WRONG))
def test_wrong_types(server: Server, place: Path, plant: str, name: str) -> None:
    body = json.loads(json.dumps(WRONG[name]).replace("PLANT", f"key={plant} "))
    file_name = "a.ipynb" if body["type"] == "notebook" else "a.txt"
    reply = server.contents("PUT", f"{place.name}/{file_name}", body)
    assert 400 <= reply.status < 500
    assert reply.json["message"]
    assert plant not in reply.body.decode()
    assert _files(place) == []
    assert server.where(plant) == []


def test_an_unknown_type_is_a_file_as_jupyter_has_it(server: Server, place: Path, plant: str) -> None:
    body = {"type": "weird", "format": "text", "content": json.dumps(with_secret(plant))}
    server.contents("PUT", f"{place.name}/a.ipynb", body).ok()
    assert "[REDACTED:" in (place / "a.ipynb").read_text()
    assert server.where(plant) == []


@pytest.mark.parametrize("path", [3, None, ["a"], {"a": 1}, True])
def test_rename_to_what_is_no_path(server: Server, place: Path, path: object) -> None:
    (place / "a.txt").write_text("x")
    reply = server.contents("PATCH", f"{place.name}/a.txt", {"path": path})
    assert 400 <= reply.status < 500
    assert _files(place) == ["a.txt"]


def test_an_ipynb_that_is_no_notebook_is_refused_when_anything_is_found(
    server: Server, place: Path, plant: str
) -> None:
    body = {"type": "file", "format": "text", "content": f"not json at all, key={plant}\n"}
    reply = server.contents("PUT", f"{place.name}/a.ipynb", body)
    assert reply.status == 422
    assert plant not in reply.body.decode()
    assert _files(place) == []
    server.contents("PUT", f"{place.name}/b.ipynb", {**body, "content": "not json at all\n"}).ok()
    assert (place / "b.ipynb").read_text() == "not json at all\n"
    assert server.where(plant) == []


@pytest.mark.parametrize("depth", [150, 300, 1000])
def test_deep_nesting(server: Server, place: Path, plant: str, depth: int) -> None:
    text = json.dumps(notebook(code_cell(f"key = '{plant}'"), deep="PLACE"))
    deep = text.replace('"PLACE"', "[" * depth + '"x"' + "]" * depth)
    raw = b'{"type": "notebook", "format": "json", "content": ' + deep.encode() + b"}"
    reply = server.call("PUT", f"api/contents/{place.name}/a.ipynb", raw=raw)
    assert reply.status in (200, 201, 400)
    if reply.status == 400:
        assert _files(place) == []
    as_text = {"type": "file", "format": "text", "content": deep}
    assert server.contents("PUT", f"{place.name}/b.ipynb", as_text).status in (201, 400, 422)
    assert [name for name in server.where(plant) if "qguard" not in name] == []


def test_a_surrogate_in_a_notebook_leaves_no_half_written_file(server: Server, place: Path, plant: str) -> None:
    bad = notebook(code_cell(f"x = '\ud800' # {plant}"))
    reply = server.save(f"{place.name}/a.ipynb", bad)
    assert reply.status == 400
    assert _files(place) == []
    (place / "b.ipynb").write_text(json.dumps(notebook(code_cell("old"))))
    before = (place / "b.ipynb").read_bytes()
    assert server.save(f"{place.name}/b.ipynb", bad).status == 400
    assert (place / "b.ipynb").read_bytes() == before
    assert _files(place) == ["b.ipynb"]
    assert [name for name in server.where(plant) if "qguard" not in name] == []


def test_nul_bytes(server: Server, place: Path, plant: str) -> None:
    server.save(f"{place.name}/a.ipynb", notebook(code_cell(f"\x00 key = '{plant}' \x00"))).ok()
    body = {"type": "file", "format": "text", "content": "x"}
    assert 400 <= server.contents("PUT", f"{place.name}/x\0.txt", body).status < 500
    assert server.where(plant) == []


def test_a_big_output(default_server: Server, folder: str, plant: str) -> None:
    (default_server.root / folder).mkdir()
    text = "".join(f"line {number} of a long log\n" for number in range(2_000_000)) + plant
    assert len(text) > 50 * 2**20
    stream = {"output_type": "stream", "name": "stdout", "text": text}
    default_server.save(f"{folder}/a.ipynb", notebook(code_cell("run()", [stream]))).ok()
    written = (default_server.root / folder / "a.ipynb").read_bytes()
    assert plant.encode() not in written
    assert len(written) > 50 * 2**20
    (default_server.root / folder / "a.ipynb").unlink()
    for file in (default_server.root / folder / ".ipynb_checkpoints").iterdir():
        assert plant.encode() not in file.read_bytes()
        file.unlink()


def test_many_cells(default_server: Server, folder: str, plant: str) -> None:
    (default_server.root / folder).mkdir()
    cells = [code_cell(f"x{number} = {number}") for number in range(10_000)]
    cells[7777]["source"] = f"key = '{plant}'"
    default_server.save(f"{folder}/a.ipynb", notebook(*cells)).ok()
    assert default_server.where(plant) == []


def test_a_zip_bomb_is_not_unpacked_for_ever(server: Server, place: Path) -> None:
    bomb = gzip.compress(gzip.compress(b"\0" * 40_000_000, 1), 9)
    reply = server.upload(f"{place.name}/a.gz", bomb)
    assert reply.status == 201
    assert (place / "a.gz").read_bytes() == bomb
    cell = code_cell(
        "",
        [
            {
                "output_type": "display_data",
                "metadata": {},
                "data": {"application/gzip": base64.b64encode(bomb).decode()},
            }
        ],
    )
    server.save(f"{place.name}/a.ipynb", notebook(cell)).ok()


def test_a_pickle_with_a_secret_cannot_be_cut_and_is_refused(server: Server, place: Path, plant: str) -> None:
    import pickle

    reply = server.upload(f"{place.name}/a.pkl", pickle.dumps({"key": plant}))
    assert reply.status == 422
    assert _files(place) == []
    assert server.where(plant) == []


def test_a_long_name(server: Server, place: Path, plant: str) -> None:
    name = "a" * 300 + ".ipynb"
    reply = server.save(f"{place.name}/{name}", with_secret(plant))
    assert 400 <= reply.status < 500
    assert [name for name in server.where(plant) if "qguard" not in name] == []


def test_a_folder_and_a_missing_folder(server: Server, place: Path, plant: str) -> None:
    server.contents("PUT", f"{place.name}/new", {"type": "directory"}).ok()
    assert (place / "new").is_dir()
    reply = server.save(f"{place.name}/missing/a.ipynb", with_secret(plant))
    assert 400 <= reply.status < 500
    assert server.contents("POST", f"{place.name}/missing", {"copy_from": "nothing.ipynb"}).status in (404, 400)
    assert server.contents("PATCH", f"{place.name}/nothing", {"path": f"{place.name}/b.ipynb"}).status == 404
    assert server.contents("POST", f"{place.name}/n.ipynb", suffix="/checkpoints").status >= 400
    assert server.contents("POST", f"{place.name}/n.ipynb", suffix="/checkpoints/checkpoint").status == 404


def test_a_read_only_folder_is_no_reason_to_lose_anything(default_server: Server, folder: str, plant: str) -> None:
    """A full disk or a read-only one: the old file stays, and no half of a new one is left (as root: a full device)."""
    place = default_server.root / folder
    place.mkdir()
    (place / "a.ipynb").symlink_to("/dev/full")
    body = {"type": "notebook", "content": with_secret(plant)}
    reply = default_server.contents("PUT", f"{folder}/a.ipynb", body)
    assert reply.status >= 400
    assert plant not in reply.body.decode()
    assert [file.name for file in place.iterdir()] == ["a.ipynb"]


def test_the_same_findings_give_the_same_refusal(server: Server, place: Path) -> None:
    path = f"{place.name}/a.txt"
    texts = {server.upload(path, f"key={aws()}\n".encode()).body for _ in range(3)}
    assert len(texts) == 1
