"""A scanner that throws, hangs or runs out of memory: 503 with a fixed text, nothing written, nothing quoted."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.server.harness import MANAGERS, Reply, Server, code_cell, notebook, with_secret


@pytest.fixture(scope="module", params=["async-large", "large"])
def troubled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    manager = f"--ServerApp.contents_manager_class={MANAGERS[request.param]}"
    server = Server(tmp_path_factory.mktemp("trouble"), manager, "--QGuardGate.scan_seconds=0.5")
    yield server.wait()
    server.stop()


def _put(server: Server, path: str, text: str) -> None:
    file = server.root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def _dirty(plant: str) -> str:
    return json.dumps(with_secret(plant))


def _save(server: Server, folder: str, plant: str) -> Reply:
    return server.save(f"{folder}/a.ipynb", with_secret(plant))


def _save_text(server: Server, folder: str, plant: str) -> Reply:
    return server.contents("PUT", f"{folder}/a.txt", {"type": "file", "format": "text", "content": plant})


def _upload(server: Server, folder: str, plant: str) -> Reply:
    return server.upload(f"{folder}/a.ipynb", _dirty(plant).encode())


def _chunks(server: Server, folder: str, plant: str) -> Reply:
    server.upload(f"{folder}/a.ipynb", _dirty(plant).encode(), chunk=1).ok()
    return server.upload(f"{folder}/a.ipynb", b"\n", chunk=-1)


def _copy(server: Server, folder: str, plant: str) -> Reply:
    _put(server, f"{folder}/planted/a.ipynb", _dirty(plant))
    return server.contents("POST", folder, {"copy_from": f"{folder}/planted/a.ipynb"})


def _copy_folder(server: Server, folder: str, plant: str) -> Reply:
    _put(server, f"{folder}/planted/a.ipynb", _dirty(plant))
    (server.root / folder / "to").mkdir()
    return server.contents("POST", f"{folder}/to", {"copy_from": f"{folder}/planted"})


def _rename(server: Server, folder: str, plant: str) -> Reply:
    _put(server, f"{folder}/planted/a.txt", _dirty(plant))
    return server.contents("PATCH", f"{folder}/planted/a.txt", {"path": f"{folder}/a.ipynb"})


def _checkpoint(server: Server, folder: str, plant: str) -> Reply:
    _put(server, f"{folder}/planted/a.ipynb", _dirty(plant))
    return server.contents("POST", f"{folder}/planted/a.ipynb", suffix="/checkpoints")


def _restore(server: Server, folder: str, plant: str) -> Reply:
    _put(server, f"{folder}/a.ipynb", "current")
    _put(server, f"{folder}/.ipynb_checkpoints/a-checkpoint.ipynb", _dirty(plant))
    reply = server.contents("POST", f"{folder}/a.ipynb", suffix="/checkpoints/checkpoint")
    assert (server.root / folder / "a.ipynb").read_text() == "current"
    (server.root / folder / ".ipynb_checkpoints" / "a-checkpoint.ipynb").unlink()
    return reply


WAYS: list[Callable[[Server, str, str], Reply]] = [
    _save,
    _save_text,
    _upload,
    _chunks,
    _copy,
    _copy_folder,
    _rename,
    _checkpoint,
    _restore,
]


@pytest.mark.parametrize("kind", ["throw", "hang", "recurse", "memory"])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_door_with_a_broken_scanner(troubled: Server, folder: str, plant: str, way, kind: str) -> None:
    (troubled.root / folder).mkdir()
    troubled.trouble(kind)
    try:
        reply = way(troubled, folder, plant)
    finally:
        troubled.trouble(None)
    assert reply.status == 503
    assert reply.json["code"] == "scan-failed"
    assert plant not in reply.body.decode()
    planted = troubled.root / folder / "planted"
    for file in planted.glob("*"):
        if file.is_file():
            assert file.read_text() == _dirty(plant), "what was there before is untouched"
            file.unlink()
    assert troubled.where(plant) == []


def test_after_many_hangs_the_server_saves_again_and_stops_in_time(tmp_path: Path, plant: str) -> None:
    server = Server(tmp_path, "--QGuardGate.scan_seconds=0.2").wait()
    try:
        server.trouble("hang")
        texts = {server.save(f"a{number}.ipynb", with_secret(plant)).body for number in range(8)}
        assert len(texts) == 1, "the same failure has the same text"
        server.trouble(None)
        server.save("b.ipynb", notebook(code_cell("1"))).ok()
        begin = time.monotonic()
    finally:
        server.stop()
    assert time.monotonic() - begin < 10
    assert server.where(plant) == []


def test_a_scanner_broken_from_the_start_stops_the_server(tmp_path: Path) -> None:
    (tmp_path / "trouble").mkdir()
    (tmp_path / "trouble" / "throw").touch()
    code, log = Server(tmp_path).ended()
    assert code != 0
    assert "jupyter-qguard" in log
    assert "QGUARD_MODE=off" in log


def test_where_nothing_can_be_kept_or_recorded_only_clean_work_is_saved(tmp_path: Path, plant: str) -> None:
    """A read-only home: the folder for the key, kept values and the record cannot be made."""
    (tmp_path / "in-the-way").write_text("a file")
    server = Server(tmp_path, env={"QGUARD_DATA_DIR": str(tmp_path / "in-the-way" / "qguard")}).wait()
    try:
        server.save("a.ipynb", notebook(code_cell("1"))).ok()
        reply = server.save("a.ipynb", with_secret(plant))
        assert (reply.status, reply.json["code"]) == (422, "keep")
        assert reply.json["message"].startswith("Not saved: ")
        assert "cell 1, line 1: aws-access-key-id" in reply.json["message"]
        stream = {"output_type": "stream", "name": "stdout", "text": plant}
        reply = server.save("a.ipynb", notebook(code_cell("1", [stream])))
        assert (reply.status, reply.json["code"]) == (503, "ledger")
        assert json.loads((server.root / "a.ipynb").read_text())["cells"][0]["source"] == ["1"]
    finally:
        server.stop()
    assert server.where(plant) == []


@pytest.mark.parametrize("kind", ["throw", "hang"])
def test_on_failure_warn_lets_through_and_says_so(tmp_path: Path, plant: str, kind: str) -> None:
    """Only the user's or the system's file can ask for this; the guard is then shown as degraded."""
    (tmp_path / "home" / "config").mkdir(parents=True)
    (tmp_path / "home" / "config" / "qguard.toml").write_text('version = 1\non_failure = "warn"\n')
    server = Server(tmp_path, "--QGuardGate.scan_seconds=0.5").wait()
    try:
        assert server.call("GET", "qguard/api/health").json["status"] == "degraded"
        server.trouble(kind)
        reply = server.save("a.ipynb", with_secret(plant)).ok()
        assert reply.json["qguard"]["action"] == "warn"
        assert "Not checked" in reply.json["qguard"]["message"]
        assert plant in (server.root / "a.ipynb").read_text()
        decisions = server.call("GET", "qguard/api/decisions?path=a.ipynb").json["decisions"]
        assert "unchecked" in decisions[0]["note"]
        server.trouble(None)
        assert server.save("a.ipynb", with_secret(plant)).ok().json["qguard"]["action"] == "redact"
    finally:
        server.stop()
    left = server.where(plant)
    assert left == ["root/.ipynb_checkpoints/a-checkpoint.ipynb"], "made while the scanner was broken"
