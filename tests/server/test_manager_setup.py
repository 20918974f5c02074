"""However a contents manager is configured, the guard stands outermost, or the server does not start."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path

import pytest

from tests.server.harness import REPOSITORY, Server, code_cell, notebook, with_secret

ROWS = "tests.server.other_managers.RowManager"
FACADE = "tests.server.other_managers.PrefixManager"
HERE = str(Path(__file__).parent)


def _site(base: Path, code: str) -> dict[str, str]:
    """Return an environment in which ``late`` is a server extension that links after the guard and runs ``code``."""
    folder = base / "site"
    folder.mkdir(parents=True)
    (folder / "late.py").write_text(
        "def _jupyter_server_extension_points():\n    return [{'module': 'late'}]\n"
        f"{code}\n"
        "def _load_jupyter_server_extension(app):\n    pass\n"
    )
    return {"PYTHONPATH": os.pathsep.join([HERE, str(REPOSITORY), str(folder)])}


def _config_d(base: Path, text: str) -> tuple[str, ...]:
    folder = base / "home" / "config"
    folder.mkdir(parents=True)
    (folder / "jupyter_server_config.json").write_text(text)
    return ()


WAYS = {
    "command line": lambda base: (f"--ServerApp.contents_manager_class={ROWS}",),
    "user's json": lambda base: _config_d(base, json.dumps({"ServerApp": {"contents_manager_class": ROWS}})),
}


@pytest.mark.parametrize("way", list(WAYS))
def test_a_class_from(tmp_path: Path, plant: str, way: str) -> None:
    server = Server(tmp_path, *WAYS[way](tmp_path), others=("tests.server.other_managers",)).wait()
    try:
        assert server.save("a.ipynb", with_secret(plant)).ok().json["qguard"]["action"] == "redact"
        assert "a.ipynb" in server.call("GET", "sidedoor?store=rows").json
        assert "RowManager" in server.call("GET", "qguard/api/health").json["problems"][0]
    finally:
        server.stop()
    assert server.where(plant) == []


def test_a_class_that_a_later_extension_wraps_is_guarded_all_the_same(tmp_path: Path, plant: str) -> None:
    """The subclass of another extension calls ours: degraded, because something stands in front of a door."""
    code = (
        "def _link_jupyter_server_extension(app):\n"
        "    ours = app.contents_manager_class\n"
        "    app.contents_manager_class = type('Later', (ours,), {})\n"
    )
    server = Server(tmp_path, others=("late",), env=_site(tmp_path, code)).wait()
    try:
        health = server.call("GET", "qguard/api/health").json
        assert health["status"] == "degraded"
        assert any("around the guarded one" in problem for problem in health["problems"])
        server.save("a.ipynb", with_secret(plant)).ok()
    finally:
        server.stop()
    assert server.where(plant) == []


def test_a_door_that_a_later_extension_stands_in_front_of(tmp_path: Path) -> None:
    """On plain files the start-up test goes through it and sees; on another store nobody can, so no start."""
    code = (
        "def _link_jupyter_server_extension(app):\n"
        "    ours = app.contents_manager_class\n"
        "    def save(self, model, path=''):\n"
        "        return super(app.contents_manager_class, self).save(model, path)\n"
        "    app.contents_manager_class = type('Later', (ours,), {'save': save})\n"
    )
    env = _site(tmp_path, code)
    server = Server(tmp_path / "files", others=("late",), env=env).wait()
    try:
        assert server.call("GET", "qguard/api/health").json["status"] == "degraded"
    finally:
        server.stop()
    rows = f"--ServerApp.contents_manager_class={ROWS}"
    status, log = Server(tmp_path / "rows", rows, others=("late",), env=env).ended()
    assert status != 0
    assert "something stands in front of the contents manager's save" in log


@pytest.mark.parametrize("facade", ["class", "instance"])
def test_a_manager_that_a_later_extension_puts_in_its_place_stops_the_server(tmp_path: Path, facade: str) -> None:
    code = (
        "def _link_jupyter_server_extension(app):\n"
        f"    from {FACADE.rpartition('.')[0]} import RowManager\n"
        "    app.contents_manager_class = RowManager\n"
    )
    if facade == "instance":
        code = (
            "def _link_jupyter_server_extension(app):\n"
            "    make = app.init_webapp\n"
            "    def later():\n"
            f"        from {FACADE.rpartition('.')[0]} import RowManager\n"
            "        app.contents_manager = RowManager(parent=app)\n"
            "        make()\n"
            "    app.init_webapp = later\n"
        )
    status, log = Server(tmp_path, others=("late",), env=_site(tmp_path, code)).ended()
    assert status != 0
    assert "another extension has replaced the contents manager" in log


HOOKS = """
import json
SECRET = json.load(open({path!r}))
CALLS = {calls!r}

def puts_it_in(model, path, **more):
    with open(CALLS, "a") as file:
        file.write(path + "\\n")
    if path.endswith("hook.ipynb") and model["type"] == "notebook":
        model["content"]["cells"][0]["source"] = 'k = "' + SECRET + '"'

c.ServerApp.contents_manager_class = {manager!r}
c.{section}.pre_save_hook = puts_it_in
{more}
"""
INNER = {
    "a facade's files": (FACADE, "FileContentsManager", "", "hook.ipynb"),
    "every manager, once": (FACADE, "ContentsManager", "", "hook.ipynb"),
    "jupyter-fs": (
        "jupyterfs.metamanager.MetaManager",
        "FileContentsManager",
        "import tests.server.other_managers as o; o.register_kept()\n"
        'c.JupyterFs.resources = [dict(name="r", url="kept://work", type="fsspec", auth="none")]',
        "{drive}:hook.ipynb",
    ),
}


@pytest.mark.parametrize("kind", list(INNER))
def test_hooks_of_managers_inside_run_once_and_what_they_make_is_judged(tmp_path: Path, plant: str, kind: str) -> None:
    manager, section, more, path = INNER[kind]
    if "jupyterfs" in manager and importlib.util.find_spec("jupyterfs") is None:
        pytest.skip("jupyter-fs is not installed (the test extra has it)")
    (tmp_path / "plant.json").write_text(json.dumps(plant))
    calls, config = tmp_path / "calls.txt", tmp_path / "hooks_config.py"
    where = str(tmp_path / "plant.json")
    config.write_text(HOOKS.format(path=where, calls=str(calls), manager=manager, section=section, more=more))
    others = ("tests.server.other_managers", *(("jupyterfs.extension",) if "jupyterfs" in manager else ()))
    server = Server(tmp_path, f"--config={config}", others=others).wait()
    try:
        if "{drive}" in path:
            path = path.format(drive=server.call("GET", "jupyterfs/resources").json[0]["drive"])
        reply = server.save(path, notebook(code_cell("1"))).ok()
        assert len(calls.read_text().splitlines()) == 1
        source = server.contents("GET", path).ok().json["content"]["cells"][0]["source"]
        assert "[REDACTED:" in source
        assert reply.json["qguard"]["action"] == "redact"
        (tmp_path / "plant.json").unlink()
    finally:
        server.stop()
    assert server.where(plant) == []


@pytest.mark.skipif(importlib.util.find_spec("jupyterfs") is None, reason="jupyter-fs is not installed")
def test_a_resource_added_by_a_user_is_guarded(tmp_path: Path, plant: str) -> None:
    resource = tmp_path / "later"
    resource.mkdir()
    argument = "--ServerApp.contents_manager_class=jupyterfs.metamanager.MetaManager"
    server = Server(tmp_path, argument, others=("jupyterfs.extension",)).wait()
    try:
        spec = {"name": "l", "url": f"file://{resource}", "type": "fsspec", "auth": "none"}
        (made,) = server.call("POST", "jupyterfs/resources", {"resources": [spec], "options": {}}).ok().json
        reply = server.save(f"{made['drive']}:a.ipynb", with_secret(plant)).ok()
        assert reply.json["qguard"]["action"] == "redact"
        assert "[REDACTED:" in (resource / "a.ipynb").read_text()
    finally:
        server.stop()
    assert server.where(plant) == []


def test_jupyterlab_with_a_manager_of_its_own_configuration(tmp_path: Path, plant: str) -> None:
    """JupyterLab sets every configured trait anew when it links, after the guard."""
    if importlib.util.find_spec("jupyterlab") is None:
        pytest.skip("JupyterLab is not installed (the lab extra has it)")
    config = tmp_path / "lab_config.py"
    config.write_text(f"c.ServerApp.contents_manager_class = {ROWS!r}\n")
    others = ("jupyterlab", "tests.server.other_managers")
    server = Server(tmp_path, f"--config={config}", others=others).wait()
    try:
        server.save("a.ipynb", with_secret(plant)).ok()
        assert "a.ipynb" in server.call("GET", "sidedoor?store=rows").json
    finally:
        server.stop()
    assert server.where(plant) == []


LEAKY_DOORS = {
    "save": "m._DOORS['save'] = leaky",
    "rename": "m._DOORS['rename'] = leaky; m._DOORS['rename_file'] = leaky",
    "checkpoint": "import jupyter_qguard.server.doors.checkpoints as k; k.create_notebook = leaky",
}


@pytest.mark.parametrize("door", list(LEAKY_DOORS))
def test_a_door_that_lets_through_stops_the_server_on_a_store_without_files(tmp_path: Path, door: str) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import jupyter_qguard.server.doors.contents as m\n"
        "async def leaky(manager, up, *a):\n"
        "    from jupyter_qguard.server.worker import ready\n"
        "    return await ready(up(*a))\n" + LEAKY_DOORS[door] + "\n"
    )
    env = {"PYTHONPATH": os.pathsep.join([str(folder), str(REPOSITORY)])}
    status, log = Server(tmp_path, f"--ServerApp.contents_manager_class={ROWS}", env=env).ended()
    assert status != 0
    assert f"{door} door" in log
