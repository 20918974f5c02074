"""Chunked uploads: the five tricks that write past a hook on a stock server, and what the protocol must hold."""

from __future__ import annotations

import json
import os
import secrets
import time
from pathlib import Path

import pytest

from tests.server.harness import Server, code_cell, notebook, with_secret


@pytest.mark.parametrize("chunk", [-1, 0, 2, "1", 1.0, True, -2, [1], "x"], ids=str)
def test_a_single_chunk_that_is_no_first_chunk(server: Server, place: Path, plant: str, chunk: object) -> None:
    reply = server.upload(f"{place.name}/a.ipynb", json.dumps(with_secret(plant)).encode(), chunk=chunk)
    assert reply.status in (400, 409)
    assert list(place.iterdir()) == []
    assert server.where(plant) == []


def test_chunks_out_of_order_drop_the_upload(server: Server, place: Path, plant: str) -> None:
    path, data = f"{place.name}/a.bin", f"key={plant}".encode()
    server.upload(path, b"one", chunk=1).ok()
    server.upload(path, b"two", chunk=2).ok()
    assert server.upload(path, data, chunk=2).status == 409, "a repeat"
    assert server.upload(path, data, chunk=3).status == 409, "the upload is gone"
    assert server.upload(path, data, chunk=-1).status == 409
    assert list(place.iterdir()) == []
    assert server.where(plant) == []


def test_text_chunks_with_a_secret_across_them_are_refused_whole(server: Server, place: Path, plant: str) -> None:
    path, body = f"{place.name}/a.txt", {"type": "file", "format": "text"}
    server.contents("PUT", path, {**body, "chunk": 1, "content": "key=" + plant[:8]}).ok()
    reply = server.contents("PUT", path, {**body, "chunk": -1, "content": plant[8:] + "\n"})
    assert reply.status == 422
    assert list(place.iterdir()) == []
    assert server.where(plant) == []


def test_an_upload_begun_again_starts_afresh(server: Server, place: Path, plant: str) -> None:
    path = f"{place.name}/a.bin"
    server.upload(path, plant.encode(), chunk=1).ok()
    server.upload(path, b"new ", chunk=1).ok()
    server.upload(path, b"data", chunk=-1).ok()
    assert (place / "a.bin").read_bytes() == b"new data"
    assert server.where(plant) == []


def test_a_clean_upload_arrives_byte_for_byte(server: Server, place: Path) -> None:
    data, path = os.urandom(3_000_000), f"{place.name}/a.bin"
    parts = [data[start : start + 1_000_000] for start in range(0, len(data), 1_000_000)]
    for number, part in zip((1, 2, -1), parts, strict=True):
        reply = server.upload(path, part, chunk=number).ok()
    assert (place / "a.bin").read_bytes() == data
    assert reply.json["size"] == len(data)
    clean = json.dumps(notebook(code_cell("1 + 1")), indent=3).encode() + b"  \n"
    server.upload(f"{place.name}/b.ipynb", clean[:40], chunk=1).ok()
    server.upload(f"{place.name}/b.ipynb", clean[40:], chunk=-1).ok()
    assert (place / "b.ipynb").read_bytes() == clean


def test_an_upload_over_an_existing_file_replaces_it_at_the_end_only(server: Server, place: Path, plant: str) -> None:
    (place / "a.bin").write_bytes(b"old")
    path = f"{place.name}/a.bin"
    server.upload(path, b"new", chunk=1).ok()
    assert (place / "a.bin").read_bytes() == b"old"
    reply = server.upload(path, f"\nkey={plant}\n".encode(), chunk=-1)
    assert reply.status == 422
    assert (place / "a.bin").read_bytes() == b"old"
    assert server.where(plant) == []


@pytest.mark.parametrize(
    "body",
    [
        {"chunk": 1, "format": "text", "content": "x"},
        {"chunk": 1, "type": "notebook", "format": "json", "content": {}},
        {"chunk": 1, "type": "file", "format": "text", "content": 3},
        {"chunk": 1, "type": "file", "format": "json", "content": "x"},
        {"chunk": 1, "type": "file", "content": "x"},
        {"chunk": 1, "type": "file", "format": "base64", "content": "A"},
        {"chunk": 1, "type": "file", "format": "base64", "content": "\u00e9"},
        {"chunk": 1, "type": "file", "format": "text", "content": "\ud800"},
    ],
    ids=str,
)
def test_a_chunk_that_is_not_what_it_says(server: Server, place: Path, body: dict) -> None:
    # Without a type, jupyter_server's handler lets a new file pass as one.
    expected = 201 if "type" not in body else 400
    assert server.contents("PUT", f"{place.name}/a.bin", body).status == expected
    assert list(place.iterdir()) == []


def test_chunks_into_a_folder_that_is_not_there(server: Server, folder: str) -> None:
    assert server.upload(f"{folder}/no/a.bin", b"x", chunk=1).status == 404
    assert server.upload(f"{folder}/../../a.bin", b"x", chunk=1).status == 404


def test_uploads_have_a_quota(tmp_path_factory: pytest.TempPathFactory) -> None:
    server = Server(
        tmp_path_factory.mktemp("quota"), "--QGuardGate.upload_bytes=1000", "--QGuardGate.upload_idle_seconds=1"
    )
    try:
        server.wait()
        server.upload("a.bin", b"x" * 900, chunk=1).ok()
        assert server.upload("b.bin", b"y" * 900, chunk=1).status == 507
        for _ in range(20):
            time.sleep(0.2)
            reply = server.upload("b.bin", b"y" * 900, chunk=1)
            if reply.status == 201:
                break
        assert reply.status == 201, "an idle upload is dropped and its room is free again"
        assert server.upload("a.bin", b"x", chunk=-1).status == 409
        assert list(server.root.iterdir()) == []
    finally:
        server.stop()


def test_names_with_percent_signs_and_spaces(server: Server, place: Path) -> None:
    name = f"50%25 {secrets.token_hex(2)}%s.bin"
    server.upload(f"{place.name}/{name}", b"x", chunk=1).ok()
    server.upload(f"{place.name}/{name}", b"y", chunk=-1).ok()
    assert (place / name).read_bytes() == b"xy"


def test_a_file_too_large_to_look_into_passes_and_says_so(tmp_path: Path, plant: str) -> None:
    server = Server(tmp_path, "--QGuardGate.look_bytes=1000").wait()
    data = f"key={plant}\n".encode() + b"x" * 3000
    try:
        server.upload("a.txt", data[:2000], chunk=1).ok()
        reply = server.upload("a.txt", data[2000:], chunk=-1).ok()
        assert (server.root / "a.txt").read_bytes() == data
        assert reply.json["qguard"]["action"] == "warn"
        assert reply.json["qguard"]["unchecked"]
        reply = server.contents("PATCH", "a.txt", {"path": "b.txt"}).ok()
        assert "larger than" in reply.json["qguard"]["message"]
        (server.root / "folder").mkdir()
        (server.root / "b.txt").rename(server.root / "folder" / "b.txt")
        server.contents("POST", "", {"copy_from": "folder"}).ok()
        assert (server.root / "folder-Copy1" / "b.txt").read_bytes() == data
        book = json.dumps(with_secret(plant)).encode() + b" " * 3000
        server.upload("a.ipynb", book[:10], chunk=1).ok()
        server.upload("a.ipynb", book[10:], chunk=-1).ok()
        assert plant.encode() not in (server.root / "a.ipynb").read_bytes(), "a notebook is always looked into"
    finally:
        server.stop()
    assert sorted(server.where(plant)) == ["root/folder-Copy1/b.txt", "root/folder/b.txt"]
