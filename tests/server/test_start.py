"""The server does not run unguarded: every way in which the guard may be missing stops it, with a sentence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jupyter_qguard import __version__
from tests.server.harness import MANAGERS, REPOSITORY, Server, code_cell, notebook, with_secret


def _site(folder: Path, code: str) -> dict[str, str]:
    """Return an environment in which ``code`` runs at the start of the server's Python."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(code)
    return {"PYTHONPATH": f"{folder}:{REPOSITORY}"}


BROKEN = {
    "link": "import jupyter_qguard.guard as m\ndef no(*a, **k): raise ValueError('boom')\nm.build = no\n",
    "canary": "import jupyter_qguard.server.self_test as m\ndef no(*a): raise ValueError('boom')\nm._double = no\n",
    "identity": (
        "import jupyter_qguard.server.doors.contents as m\n"
        "from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager as A\n"
        "m.guard_class = lambda base, gate: A\n"
    ),
    "checkpoints": (
        "import jupyter_qguard.server.doors.contents as m\nm.guard_checkpoints = lambda base, gate: base\n"
    ),
    "a door that lets through": (
        "import jupyter_qguard.server.doors.contents as m\n"
        "async def leaky(manager, up, *a):\n    return await up(*a)\n"
        "m._FILE_DOORS['_save_file'] = leaky\nm._DOORS['rename_file'] = leaky\n"
    ),
    "a swapped method": (
        "import jupyter_qguard.server.extension as m\n"
        "load = m._load_jupyter_server_extension\n"
        "def after(app):\n    app.contents_manager.__dict__['save'] = print\n    load(app)\n"
        "m._load_jupyter_server_extension = after\n"
    ),
}


def test_a_swap_after_loading_stops_the_server(tmp_path: Path) -> None:
    code = (
        "from jupyter_server.serverapp import ServerApp as S\n"
        "from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager as A\n"
        "load = S.load_server_extensions\n"
        "def after(app):\n    load(app)\n    app.contents_manager = A(parent=app, log=app.log)\n"
        "S.load_server_extensions = after\n"
    )
    server = Server(tmp_path, env=_site(tmp_path / "site", code))
    _, log = server.ended()
    assert "refuses to start" in log


def test_without_a_data_folder_nothing_is_lost_and_nothing_leaks(tmp_path: Path, plant: str) -> None:
    (tmp_path / "file").write_text("no folder")
    server = Server(tmp_path, env={"QGUARD_DATA_DIR": str(tmp_path / "file" / "qguard")})
    try:
        server.wait()
        health = server.call("GET", "qguard/api/health").json
        assert health["status"] == "degraded"
        assert "QGUARD_DATA_DIR" in health["problems"][0]
        server.save("clean.ipynb", notebook(code_cell("1"))).ok()
        reply = server.save("dirty.ipynb", with_secret(plant))
        assert reply.status in (422, 503)
        assert reply.json["message"]
        assert not (server.root / "dirty.ipynb").exists()
    finally:
        server.stop()
    assert server.where(plant) == []


@pytest.mark.parametrize("what", list(BROKEN))
def test_a_broken_guard_refuses_to_start(tmp_path: Path, what: str) -> None:
    code, log = Server(tmp_path, env=_site(tmp_path / "site", BROKEN[what])).ended()
    assert code != 0
    assert f"jupyter-qguard {__version__} refuses to start" in log
    assert "QGUARD_MODE=off" in log


def test_a_policy_with_a_typo_refuses_to_start(tmp_path: Path) -> None:
    server = Server.__new__(Server)
    (tmp_path / "home" / "config").mkdir(parents=True)
    (tmp_path / "home" / "config" / "qguard.toml").write_text('version = 1\nmood = "enforce"\n')
    Server.__init__(server, tmp_path)
    code, log = server.ended()
    assert code != 0
    assert "mood" in log


def test_off_is_off_says_so_and_is_recorded(tmp_path: Path, plant: str) -> None:
    server = Server(tmp_path, env={"QGUARD_MODE": "off"}).wait()
    try:
        assert server.call("GET", "qguard/api/health").json["status"] == "off"
        reply = server.save("a.ipynb", with_secret(plant)).ok()
        assert "qguard" not in reply.json
        assert plant in (server.root / "a.ipynb").read_text()
    finally:
        server.stop()
    assert "OFF" in server.log.read_text()
    recorded = [f.read_bytes() for f in (tmp_path / "home" / "qguard").rglob("*") if f.is_file()]
    assert any(b"guard off" in data for data in recorded)


@pytest.mark.parametrize("manager", ["async-large", "file"])
def test_checkpoints_kept_elsewhere_are_proven_and_left_alone(tmp_path: Path, plant: str, manager: str) -> None:
    """The start-up test neither trips over a configured checkpoint folder nor writes into it."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a-checkpoint.ipynb").write_text("somebody's")
    kind = f"--ServerApp.contents_manager_class={MANAGERS[manager]}"
    server = Server(tmp_path, kind, f"--FileCheckpoints.checkpoint_dir={elsewhere}").wait()
    try:
        assert server.call("GET", "qguard/api/health").json["status"] == "guarding"
        assert (elsewhere / "a-checkpoint.ipynb").read_text() == "somebody's"
        (server.root / "b.ipynb").write_text(json.dumps(with_secret(plant)))
        server.contents("POST", "b.ipynb", suffix="/checkpoints").ok()
        assert "[REDACTED:" in (elsewhere / "b-checkpoint.ipynb").read_text()
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("manager", "store"), [("async-large", "AsyncGenericFileCheckpoints"), ("large", "GenericFileCheckpoints")]
)
def test_checkpoints_kept_as_models_are_proven(tmp_path: Path, plant: str, manager: str, store: str) -> None:
    kind = f"--ServerApp.contents_manager_class={MANAGERS[manager]}"
    module = "jupyter_server.services.contents.filecheckpoints"
    server = Server(tmp_path, kind, f"--ContentsManager.checkpoints_class={module}.{store}").wait()
    try:
        assert server.call("GET", "qguard/api/health").json["status"] == "guarding"
        (server.root / "a.ipynb").write_text(json.dumps(with_secret(plant)))
        server.contents("POST", "a.ipynb", suffix="/checkpoints").ok()
        (server.root / "a.ipynb").unlink()
    finally:
        server.stop()
    assert server.where(plant) == []


def test_a_setting_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    code, log = Server(tmp_path, "--QGuardGate.lanes=many").ended()
    assert code != 0
    assert "lanes" in log
    assert "refuses to start" in log


def test_a_store_of_checkpoints_that_keeps_nothing_is_unproven(tmp_path: Path, plant: str) -> None:
    module = tmp_path / "no_checkpoints"
    module.mkdir()
    (module / "no_checkpoints.py").write_text(
        "from datetime import UTC, datetime\n"
        "from jupyter_server.services.contents.checkpoints import AsyncCheckpoints\n"
        "class NoCheckpoints(AsyncCheckpoints):\n"
        "    async def create_checkpoint(self, contents_mgr, path):\n"
        "        return {'id': 'none', 'last_modified': datetime.now(UTC)}\n"
        "    async def list_checkpoints(self, path):\n"
        "        return []\n"
    )
    env = {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), str(REPOSITORY), str(module)])}
    server = Server(tmp_path, "--ContentsManager.checkpoints_class=no_checkpoints.NoCheckpoints", env=env).wait()
    try:
        health = server.call("GET", "qguard/api/health").json
        assert health["status"] == "degraded"
        assert [door for door, holds in health["doors"].items() if not holds] == ["checkpoint", "restore"]
        assert "NoCheckpoints" in health["problems"][0]
        assert server.save("a.ipynb", with_secret(plant)).ok().json["qguard"]["action"] == "redact"
        server.contents("POST", "a.ipynb", suffix="/checkpoints").ok()
    finally:
        server.stop()
    assert server.where(plant) == []


def test_what_was_on_disk_before_is_told_of_and_left_alone(tmp_path: Path, plant: str) -> None:
    saved = tmp_path / "root" / "old" / ".ipynb_checkpoints"
    saved.mkdir(parents=True)
    dirty = json.dumps(with_secret(plant))
    for file in (saved / "a-checkpoint.ipynb", saved.parent / "a.ipynb"):
        file.write_text(dirty)
    (tmp_path / "root" / "clean.ipynb").write_text(json.dumps(notebook(code_cell("1"))))
    (tmp_path / "root" / "broken.ipynb").write_text("{")
    server = Server(tmp_path, "--QGuardGate.first_look_seconds=0.1").wait()
    try:
        for _ in range(100):
            if "from before" in server.log.read_text():
                break
            time.sleep(0.1)
    finally:
        server.stop()
    log = server.log.read_text()
    assert "2 of 4 notebooks looked into hold secrets from before" in log
    assert "from before: old/a.ipynb, old/.ipynb_checkpoints/a-checkpoint.ipynb." in log
    assert plant not in log
    assert (saved.parent / "a.ipynb").read_text() == dirty
    assert not (tmp_path / "home" / "qguard" / "kept").exists()


def test_observe_reports_and_changes_nothing(tmp_path: Path, plant: str) -> None:
    server = Server(tmp_path, env={"QGUARD_MODE": "observe"}).wait()
    try:
        assert server.call("GET", "qguard/api/health").json["status"] == "observing"
        reply = server.save("a.ipynb", with_secret(plant)).ok()
        assert reply.json["qguard"]["mode"] == "observe"
        assert plant in (server.root / "a.ipynb").read_text()
    finally:
        server.stop()


HOOKS = """
import json
SECRET = json.load(open({path!r}))

def puts_it_in(model, path, contents_manager, **kw):
    if path.endswith("hook.ipynb") and model["type"] == "notebook":
        model["content"]["cells"][0]["source"] = 'k = "' + SECRET + '"'

def fails(model, path, **kw):
    if path.endswith("fails.ipynb"):
        raise ValueError("quoting " + json.dumps(model["content"]))

async def waits(model, path, **kw):
    model["content"] = None

c.FileContentsManager.pre_save_hook = puts_it_in
c.ServerApp.jpserver_extensions = {{}}
"""


def test_other_hooks_run_first_and_what_they_make_is_judged(tmp_path: Path, plant: str) -> None:
    (tmp_path / "plant.json").write_text(json.dumps(plant))
    config = tmp_path / "hooks_config.py"
    config.write_text(HOOKS.format(path=str(tmp_path / "plant.json")))
    extension = (
        "import sys\nsys.argv0 = 0\n"
        "import jupyter_qguard.server.extension as m\n"
        "load = m._load_jupyter_server_extension\n"
        "def after(app):\n"
        "    load(app)\n"
        f"    names = {{'c': __import__('traitlets').config.Config()}}\n"
        f"    exec(open({str(config)!r}).read(), names)\n"
        "    for name in ('fails', 'waits'):\n"
        "        app.contents_manager.register_pre_save_hook(names[name])\n"
        "m._load_jupyter_server_extension = after\n"
    )
    server = Server(tmp_path, f"--config={config}", env=_site(tmp_path / "site", extension)).wait()
    try:
        assert server.save("hook.ipynb", notebook(code_cell("1"))).ok().json["qguard"]["action"] == "redact"
        assert "[REDACTED:" in (server.root / "hook.ipynb").read_text()
        server.save("fails.ipynb", with_secret(plant)).ok()
        assert "[REDACTED:" in (server.root / "fails.ipynb").read_text()
        (tmp_path / "plant.json").unlink()
    finally:
        server.stop()
    assert server.where(plant) == []
    assert "ValueError" in server.log.read_text(), "the failing hook is told of"


def test_importing_the_extension_is_light() -> None:
    code = (
        "import sys, jupyter_qguard, jupyter_qguard.server.extension as e\n"
        "import jupyter_qguard.server.doors.contents, jupyter_qguard.server.api, jupyter_qguard.server.self_test\n"
        "bad = [m for m in sys.modules if m.split('.')[0] in ('nbconvert', 'detect_secrets')]\n"
        "print(bad)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_guard_s_own_folder_is_not_served(tmp_path: Path) -> None:
    data = tmp_path / "root" / "state"
    server = Server(tmp_path, "--ContentsManager.allow_hidden=True", env={"QGUARD_DATA_DIR": str(data)}).wait()
    try:
        server.save("a.ipynb", notebook(code_cell("1"))).ok()
        assert [entry["name"] for entry in server.contents("GET", "").json["content"] if entry["name"] == "state"] == []
        assert server.contents("GET", "state").status == 404
        assert server.contents("PUT", "state/x.txt", {"type": "file", "format": "text", "content": "x"}).status == 404
        assert server.contents("PATCH", "state", {"path": "other"}).status == 404
        assert server.contents("DELETE", "state").status == 404
        assert server.contents("POST", "", {"copy_from": "state"}).status == 404
    finally:
        server.stop()
    assert data.is_dir()
