"""``qguard pause`` from a shell, and a running server that notices."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.server.harness import Server, aws, with_secret


@pytest.fixture
def floor(tmp_path: Path) -> dict[str, str]:
    file = tmp_path / "floor.toml"
    file.write_text('mode = "enforce"\n')
    return {"QGUARD_ADMIN_POLICY": str(file)}


def test_pause_status_stop(qguard: Run) -> None:
    assert b"There is no pause." in qguard("pause").stdout
    done = qguard("pause", "30m")
    assert done.returncode == 0
    assert b"Paused until" in done.stdout
    assert b"paused until" in qguard("pause", "status").stdout
    shown = json.loads(qguard("policy", "show", "--format", "json").stdout)
    assert shown[0]["value"] == "observe"
    assert qguard("pause", "--stop").returncode == 0
    assert b"There is no pause." in qguard("pause", "status").stdout
    assert b"There is no pause." in qguard("pause", "--stop").stdout


@pytest.mark.parametrize("arguments", [("soon",), ("30",), ("9h",), ("0",), ("30m", "--stop"), ("-5m",)])
def test_what_is_no_pause(qguard: Run, arguments: tuple[str, ...]) -> None:
    done = qguard("pause", *arguments)
    assert done.returncode == 2
    assert b"There is no pause." in qguard("pause").stdout


def test_the_floor_forbids_with_one_sentence(qguard: Run, floor: dict[str, str]) -> None:
    done = qguard("pause", "30m", extra=floor)
    assert done.returncode == 2
    assert b"no pause lowers" in done.stderr
    assert b"There is no pause." in qguard("pause", extra=floor).stdout


def test_what_is_off_cannot_be_paused(qguard: Run) -> None:
    assert qguard("pause", "30m", extra={"QGUARD_MODE": "off"}).returncode == 2


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    started = Server(tmp_path / "server").wait()
    yield started
    started.stop()


def test_a_running_server_notices_and_goes_back(server: Server, qguard: Run) -> None:
    names = ("HOME", "QGUARD_DATA_DIR", "JUPYTER_CONFIG_DIR")
    mine = {name: server.env[name] for name in names}

    def health() -> dict[str, object]:
        return dict(server.call("GET", "qguard/api/health").json)

    assert health()["status"] == "guarding"
    assert qguard("pause", "1h", extra=mine).returncode == 0
    paused = health()
    assert paused["status"] == "observing"
    assert paused["problems"] == []
    assert any("paused until" in notice for notice in paused["notices"])  # type: ignore[attr-defined]
    secret = aws()
    server.save("a.ipynb", with_secret(secret)).ok()
    assert secret in (server.root / "a.ipynb").read_text()
    assert qguard("pause", "--stop", extra=mine).returncode == 0
    assert health()["status"] == "guarding"
    server.save("a.ipynb", with_secret(secret)).ok()
    assert secret not in (server.root / "a.ipynb").read_text()


def test_a_server_records_the_end_of_a_pause(server: Server, qguard: Run, tmp_path: Path) -> None:
    names = ("HOME", "QGUARD_DATA_DIR", "JUPYTER_CONFIG_DIR")
    mine = {name: server.env[name] for name in names}
    assert qguard("pause", "1h", extra=mine).returncode == 0
    file = Path(mine["QGUARD_DATA_DIR"]) / "pause.json"
    told = json.loads(file.read_bytes())
    told |= {"since": "2020-01-01T00:00:00+00:00", "until": "2020-01-01T01:00:00+00:00"}
    file.write_text(json.dumps(told))
    assert server.call("GET", "qguard/api/health").json["status"] == "guarding"
    assert not file.exists()


def test_a_server_starts_while_paused(tmp_path: Path, qguard: Run) -> None:
    base = tmp_path / "server"
    mine = {"HOME": str(base / "home"), "QGUARD_DATA_DIR": str(base / "home" / "qguard")}
    base.mkdir()
    assert qguard("pause", "1h", extra=mine).returncode == 0
    started = Server(base).wait()
    try:
        assert started.call("GET", "qguard/api/health").json["status"] == "observing"
    finally:
        started.stop()
