"""One test per way in which content reaches the disk through the server, for each of its contents managers."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from pathlib import Path

import pytest

from tests.server.harness import Server, code_cell, notebook, with_secret


def test_row_1_save_of_an_existing_notebook(server: Server, place: Path, plant: str) -> None:
    path = f"{place.name}/a.ipynb"
    server.save(path, notebook(code_cell("1"))).ok()
    reply = server.save(path, with_secret(plant)).ok()
    told = reply.json["qguard"]
    assert told["action"] == "redact"
    assert told["kept"] is True
    assert {finding["field"] for finding in told["findings"]} == {"source", "outputs[0].text"}
    assert "[REDACTED:aws-access-key-id:" in (place / "a.ipynb").read_text()
    assert plant not in reply.body.decode()
    assert server.where(plant) == []


def test_row_2_save_of_a_new_notebook(server: Server, place: Path, plant: str) -> None:
    assert server.save(f"{place.name}/a.ipynb", with_secret(plant)).status == 201
    assert "[REDACTED:" in (place / "a.ipynb").read_text()
    assert server.where(plant) == []


def test_row_3_new_untitled(server: Server, place: Path) -> None:
    reply = server.contents("POST", place.name, {"type": "notebook"}).ok()
    assert (server.root / reply.json["path"].strip("/")).is_file()
    assert "qguard" not in reply.json


def test_row_4_copy_of_a_file(server: Server, place: Path, plant: str) -> None:
    original = place / "a.ipynb"
    original.write_text(json.dumps(with_secret(plant)))
    reply = server.contents("POST", place.name, {"copy_from": f"{place.name}/a.ipynb"}).ok()
    copy = server.root / reply.json["path"].strip("/")
    assert reply.json["qguard"]["action"] == "redact"
    assert reply.json["qguard"]["kept"] is False
    assert "[REDACTED:" in copy.read_text()
    assert server.where(plant) == [str(original.relative_to(server.base))]


def test_row_5_copy_of_a_folder(server: Server, place: Path, plant: str) -> None:
    source, outside = place / "from", server.base / "outside"
    (source / "deep" / ".ipynb_checkpoints").mkdir(parents=True)
    outside.mkdir(exist_ok=True)
    dirty = json.dumps(with_secret(plant))
    clean = json.dumps(notebook(code_cell("1 + 1")))
    for name in ("deep/a.ipynb", "deep/.~b.ipynb", "deep/.ipynb_checkpoints/a-checkpoint.ipynb"):
        (source / name).write_text(dirty)
    (outside / "o.ipynb").write_text(dirty)
    (source / "clean.ipynb").write_text(clean)
    (source / "notes.txt").write_text(f"key={plant}\n")
    (source / "link.ipynb").symlink_to(outside / "o.ipynb")
    (source / "inside.ipynb").symlink_to(source / "deep" / "a.ipynb")
    (source / "loop").symlink_to(source, target_is_directory=True)
    os.mkfifo(source / "pipe")
    (place / "to").mkdir()
    reply = server.contents("POST", f"{place.name}/to", {"copy_from": f"{place.name}/from"}).ok()
    copy = place / "to" / "from"
    assert (copy / "clean.ipynb").read_text() == clean
    assert (copy / "notes.txt").read_text() == f"key={plant}\n", "other files are copied as they are"
    assert "[REDACTED:" in (copy / "deep" / "a.ipynb").read_text()
    assert "[REDACTED:" in (copy / "inside.ipynb").read_text()
    assert sorted(p.name for p in copy.iterdir()) == ["clean.ipynb", "deep", "inside.ipynb", "notes.txt"]
    told = reply.json["qguard"]
    assert told["action"] == "redact"
    assert "Other files with findings" in told["message"]
    (copy / "notes.txt").unlink()
    left = [name for name in server.where(plant) if "/to/" in name or "/from/" not in name]
    assert left == ["outside/o.ipynb"]
    (outside / "o.ipynb").unlink()


def test_row_6_rename_of_text_to_notebook(server: Server, place: Path, plant: str) -> None:
    (place / "a.txt").write_text(json.dumps(with_secret(plant)))
    saved = place / ".ipynb_checkpoints"
    saved.mkdir()
    (saved / "a-checkpoint.txt").write_text(json.dumps(with_secret(plant)))
    reply = server.contents("PATCH", f"{place.name}/a.txt", {"path": f"{place.name}/a.ipynb"}).ok()
    assert reply.json["path"] == f"{place.name}/a.ipynb"
    assert reply.json["qguard"]["action"] == "redact"
    assert reply.json["qguard"]["kept"] is True
    assert not (place / "a.txt").exists()
    assert "[REDACTED:" in (place / "a.ipynb").read_text()
    assert "[REDACTED:" in (saved / "a-checkpoint.ipynb").read_text()
    assert server.where(plant) == []


def test_row_6_rename_of_other_text_warns_and_folders_move(server: Server, place: Path, plant: str) -> None:
    (place / "a.txt").write_text(f"key={plant}\n")
    reply = server.contents("PATCH", f"{place.name}/a.txt", {"path": f"{place.name}/b.cfg"}).ok()
    assert reply.json["qguard"]["action"] == "warn"
    assert (place / "b.cfg").read_text() == f"key={plant}\n"
    (place / "b.cfg").unlink()
    (place / "folder").mkdir()
    reply = server.contents("PATCH", f"{place.name}/folder", {"path": f"{place.name}/moved"}).ok()
    assert (place / "moved").is_dir()
    assert reply.json["qguard"]["action"] == "warn"
    recorded = server.call("GET", f"qguard/api/decisions?path={place.name}/moved").json["decisions"]
    assert [(event["door"], event["action"]) for event in recorded] == [("rename", "warn")]


def test_row_6_rename_onto_an_existing_file_is_refused(server: Server, place: Path, plant: str) -> None:
    dirty = json.dumps(with_secret(plant))
    (place / "a.txt").write_text(dirty)
    (place / "a.ipynb").write_text("{}")
    reply = server.contents("PATCH", f"{place.name}/a.txt", {"path": f"{place.name}/a.ipynb"})
    assert reply.status == 409
    assert (place / "a.txt").read_text() == dirty
    assert (place / "a.ipynb").read_text() == "{}"
    (place / "a.txt").unlink()
    assert server.where(plant) == []


def test_row_7_base64_text_to_a_new_path_is_refused(server: Server, place: Path, plant: str) -> None:
    reply = server.upload(f"{place.name}/a.txt", f"key={plant}\n".encode())
    assert reply.status == 422
    assert set(reply.json) >= {"message", "hint", "code"}
    assert list(place.iterdir()) == []
    assert server.where(plant) == []


def test_row_7_base64_over_an_existing_text_is_a_save(server: Server, place: Path, plant: str) -> None:
    (place / "a.txt").write_text("old\n")
    reply = server.upload(f"{place.name}/a.txt", f"key={plant}\n".encode()).ok()
    assert reply.json["qguard"]["action"] == "warn"
    assert (place / "a.txt").read_text() == f"key={plant}\n", "a text file is never rewritten"
    (place / "a.txt").unlink()


def test_row_7_base64_notebook_with_line_breaks_and_foreign_characters(server: Server, place: Path, plant: str) -> None:
    encoded = base64.encodebytes(json.dumps(with_secret(plant)).encode()).decode().replace("\n", "\n !")
    body = {"type": "file", "format": "base64", "content": encoded}
    server.contents("PUT", f"{place.name}/a.ipynb", body).ok()
    assert "[REDACTED:" in (place / "a.ipynb").read_text()
    assert json.loads((place / "a.ipynb").read_text())["nbformat"] == 4
    assert server.where(plant) == []


def test_row_8_notebook_sent_as_text_with_escapes(server: Server, place: Path, plant: str) -> None:
    text = json.dumps(with_secret(plant)).replace(plant, "".join(f"\\u{ord(c):04x}" for c in plant))
    body = {"type": "file", "format": "text", "content": text}
    reply = server.contents("PUT", f"{place.name}/a.ipynb", body).ok()
    assert reply.json["qguard"]["action"] == "redact"
    source = json.loads((place / "a.ipynb").read_text())["cells"][0]["source"]
    assert "[REDACTED:" in "".join(source)
    assert server.where(plant) == []


def test_row_9_upload_in_chunks_with_the_secret_across_two(server: Server, place: Path, plant: str) -> None:
    data = json.dumps(with_secret(plant)).encode()
    cut = data.index(plant.encode()) + 7
    path = f"{place.name}/a.ipynb"
    first = server.upload(path, data[:cut], chunk=1).ok().json
    assert {"name", "path", "type", "writable", "created", "last_modified", "mimetype", "content", "format"} <= set(
        first
    )
    assert list(place.iterdir()) == [], "nothing is to be seen before the last chunk"
    assert server.where(plant) == []
    last = server.upload(path, data[cut:], chunk=-1).ok().json
    assert last["qguard"]["action"] == "redact"
    assert last["size"] == (place / "a.ipynb").stat().st_size
    assert server.where(plant) == []


def test_rows_10_and_11_repeated_saves_and_save_as(server: Server, place: Path, plant: str) -> None:
    messages = set()
    for name in ("a", "a", "b"):
        reply = server.save(f"{place.name}/{name}.ipynb", with_secret(plant)).ok()
        messages.add(reply.json["qguard"]["message"])
        server.contents("POST", f"{place.name}/{name}.ipynb", suffix="/checkpoints").ok()
    assert len(messages) == 1, "the same findings have the same text, or dialogs pile up"
    assert server.where(plant) == []


@pytest.mark.parametrize("name", ["a.ipynb"])
def test_row_12_checkpoint_of_a_file_that_was_dirty_before(server: Server, place: Path, plant: str, name: str) -> None:
    (place / name).write_text(json.dumps(with_secret(plant)))
    reply = server.contents("POST", f"{place.name}/{name}", suffix="/checkpoints").ok()
    assert reply.json["id"] == "checkpoint"
    assert "[REDACTED:" in (place / ".ipynb_checkpoints" / "a-checkpoint.ipynb").read_text()
    assert server.where(plant) == [str((place / name).relative_to(server.base))], "the file itself is left alone"
    (place / name).unlink()


def test_row_13_first_checkpoint_that_cannot_be_made(server: Server, place: Path, plant: str) -> None:
    (place / ".ipynb_checkpoints").write_text("in the way")
    server.save(f"{place.name}/a.ipynb", with_secret(plant)).ok()
    assert "[REDACTED:" in (place / "a.ipynb").read_text()
    assert server.where(plant) == []


def test_row_14_restore_of_an_old_checkpoint(server: Server, place: Path, plant: str) -> None:
    path, saved = f"{place.name}/a.ipynb", place / ".ipynb_checkpoints" / "a-checkpoint.ipynb"
    server.save(path, notebook(code_cell("1"))).ok()
    saved.write_text(json.dumps(with_secret(plant)))
    assert server.contents("POST", path, suffix="/checkpoints/checkpoint").status == 204
    assert "[REDACTED:" in (place / "a.ipynb").read_text()
    assert server.where(plant) == [str(saved.relative_to(server.base))], "old checkpoints are not rewritten"
    saved.unlink()


def test_row_15_no_backup_of_an_atomic_write_stays(server: Server, place: Path, plant: str) -> None:
    (place / "a.ipynb").write_text(json.dumps(with_secret(plant)))
    server.save(f"{place.name}/a.ipynb", with_secret(plant)).ok()
    assert sorted(p.name for p in place.iterdir()) == [".ipynb_checkpoints", "a.ipynb"]
    assert server.where(plant) == []


def test_row_46_an_unreadable_notebook_is_quoted_nowhere(server: Server, place: Path, plant: str) -> None:
    (place / "a.ipynb").write_text(f"IBM_TOKEN={plant}\n")
    reply = server.contents("GET", f"{place.name}/a.ipynb")
    assert reply.status == 400
    assert plant not in reply.body.decode()
    assert plant not in server.log.read_text()
    bad = notebook({"cell_type": "code", "source": {"no": plant}, "metadata": {}, "outputs": [], "id": "x"})
    (place / "b.ipynb").write_text(json.dumps(bad))
    server.contents("GET", f"{place.name}/b.ipynb")
    assert server.call("PUT", f"api/contents/{place.name}/c.ipynb", raw=f"{{broken {plant}".encode()).status == 400
    assert plant not in server.log.read_text()
    for file in place.iterdir():
        file.unlink()
    assert server.where(plant) == []


def test_row_48_a_validation_message_echoes_nothing(server: Server, place: Path, plant: str) -> None:
    broken = code_cell("1", [{"output_type": "stream", "name": "stdout", "text": [{"no": f"text {plant}"}]}])
    reply = server.save(f"{place.name}/a.ipynb", notebook(broken)).ok()
    assert "validation failed" in reply.json["message"]
    assert plant not in reply.body.decode()
    assert "stdout" not in reply.json["message"]
    assert server.where(plant) == []


def test_trust_and_hash_of_a_redacted_notebook(server: Server, place: Path, plant: str) -> None:
    html = {"output_type": "display_data", "metadata": {}, "data": {"text/html": f"<b>{plant}</b>"}}
    path = f"{place.name}/a.ipynb"
    server.save(path, notebook(code_cell("1", [html], metadata={"trusted": True}))).ok()
    cell = server.contents("GET", path).json["content"]["cells"][0]
    assert cell["metadata"]["trusted"] is True
    reply = server.contents("GET", path, suffix="?content=0&hash=1").json
    assert reply["hash"] == hashlib.sha256((place / "a.ipynb").read_bytes()).hexdigest()
    server.save(path, notebook(code_cell("1", [html]))).ok()
    other = server.contents("GET", path).json["content"]["cells"][0]
    assert other["metadata"].get("trusted") is not None
    assert server.where(plant) == []
