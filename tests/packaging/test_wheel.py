"""What a user gets from ``pip install .`` on a machine without Node.js.

The wheel is built once, from a copy of the tracked files, with a PATH that has no node and no npm;
it is then installed with its dependencies into a fresh virtual environment.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import string
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import jupyter_qguard

ROOT = Path(__file__).parents[2]
DATA = f"jupyter_qguard-{jupyter_qguard.__version__}.data/data"
LABEXTENSION = f"{DATA}/share/jupyter/labextensions/jupyter-qguard"

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(1200)]


def run(*command: str | Path, cwd: Path, env: dict[str, str]) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def path_without_node(scratch: Path) -> str:
    """Return a PATH on which there is everything but Node.js."""
    folder = scratch / "bin"
    folder.mkdir()
    for entry in ["/usr/local/bin", "/usr/bin", "/bin"]:
        for tool in Path(entry).iterdir() if Path(entry).is_dir() else ():
            link = folder / tool.name
            if tool.name not in {"node", "nodejs", "npm", "npx", "corepack"} and not link.exists():
                link.symlink_to(tool)
    return str(folder)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    path = path_without_node(tmp_path_factory.mktemp("path"))
    assert shutil.which("node", path=path) is None
    assert shutil.which("npm", path=path) is None
    keep = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV", "npm_"))}
    return {**keep, "PATH": path, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "npm_config_prefer_offline": "true"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Path:
    source = tmp_path_factory.mktemp("source")
    listed = run("git", "ls-files", "-co", "--exclude-standard", cwd=ROOT, env=dict(os.environ)).splitlines()
    for name in listed:
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name)
    out = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", out, ".", cwd=source, env=environment)
    lock = (source / "package-lock.json").read_bytes()
    assert lock == (ROOT / "package-lock.json").read_bytes(), "the build changed the lock file"
    shutil.rmtree(source)  # node_modules are large
    [built] = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory, wheel: Path, environment: dict[str, str]) -> Iterator[Path]:
    """Yield the bin folder of a virtual environment with nothing but the wheel, its dependencies and JupyterLab."""
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    venv.create(folder, with_pip=True)
    target = f"jupyter-qguard[lab] @ {wheel.as_uri()}"
    run(folder / "bin/python", "-m", "pip", "install", "--quiet", target, cwd=folder, env=environment)
    yield folder / "bin"
    shutil.rmtree(folder)  # half a gigabyte


def test_wheel_holds_what_jupyter_looks_for(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        install = json.loads(archive.read(f"{LABEXTENSION}/install.json"))
        package = json.loads(archive.read(f"{LABEXTENSION}/package.json"))
        enable = json.loads(archive.read(f"{DATA}/etc/jupyter/jupyter_server_config.d/jupyter_qguard.json"))
    assert install["packageManager"] == "python"
    assert install["packageName"] == "jupyter-qguard"
    assert f"{LABEXTENSION}/static/style.js" in names
    assert f"{LABEXTENSION}/{package['jupyterlab']['_build']['load']}" in names
    assert enable == {"ServerApp": {"jpserver_extensions": {"jupyter_qguard": True}}}


def test_wheel_holds_no_more_than_it_should(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    assert tops == {"jupyter_qguard", Path(DATA).parent.name, Path(DATA).parent.name.replace(".data", ".dist-info")}
    assert not [name for name in names if name.endswith((".map", ".ts", ".tsx")) or "node_modules" in name]
    assert "jupyter_qguard/py.typed" in names


def test_versions_agree(wheel: Path) -> None:
    package = json.loads((ROOT / "package.json").read_text())
    assert package["version"] == jupyter_qguard.__version__
    assert wheel.name.startswith(f"jupyter_qguard-{jupyter_qguard.__version__}-")


def test_labextension_is_listed(fresh: Path, environment: dict[str, str]) -> None:
    listed = run(fresh / "jupyter", "labextension", "list", cwd=fresh, env=fresh_env(fresh, environment))
    [line] = [line for line in listed.splitlines() if "jupyter-qguard" in line]
    assert "enabled" in line
    assert "OK" in line
    assert "python, jupyter-qguard" in line  # from install.json


def test_server_extension_is_enabled_by_itself(fresh: Path, environment: dict[str, str]) -> None:
    listed = run(fresh / "jupyter", "server", "extension", "list", cwd=fresh, env=fresh_env(fresh, environment))
    assert "jupyter_qguard enabled" in plain(listed)
    assert f"jupyter_qguard {jupyter_qguard.__version__} OK" in plain(listed)


@pytest.mark.parametrize("command", [["qguard"], ["jupyter", "qguard"]])
def test_command_line_is_there(fresh: Path, environment: dict[str, str], command: list[str]) -> None:
    shown = run(fresh / command[0], *command[1:], "--help", cwd=fresh, env=fresh_env(fresh, environment))
    assert "scan" in shown
    assert "redact" in shown


def test_nbconvert_is_guarded_by_itself(fresh: Path, environment: dict[str, str], tmp_path: Path) -> None:
    value = "AKIA" + "".join(secrets.choice(string.ascii_uppercase + "234567") for _ in range(16))
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "execution_count": None, "outputs": []}
    book = {"cells": [{**cell, "source": f'key = "{value}"'}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "a.ipynb").write_text(json.dumps(book))
    env = fresh_env(fresh, environment)
    said = run(fresh / "jupyter", "nbconvert", "--to", "html", "a.ipynb", cwd=tmp_path, env=env)
    assert "Exported without 1 secret" in said
    assert value[4:] not in (tmp_path / "a.html").read_text()
    assert "guarded in a shell by" in run_any(fresh / "qguard", "doctor", cwd=tmp_path, env=env)


def run_any(*command: str | Path, cwd: Path, env: dict[str, str]) -> str:
    """Return what a command prints, whatever it exits with."""
    done = subprocess.run([str(part) for part in command], cwd=cwd, env=env, text=True, stdout=subprocess.PIPE)
    return done.stdout


def fresh_env(fresh: Path, environment: dict[str, str]) -> dict[str, str]:
    """Return the environment of somebody who has just installed it: an empty home."""
    home = fresh.parent / "home"
    home.mkdir(exist_ok=True)
    return {**environment, "HOME": str(home), "PATH": f"{fresh}{os.pathsep}{environment['PATH']}"}


def plain(text: str) -> str:
    """Return text without colours and with single spaces."""
    return " ".join(re.sub(r"\x1b\[[0-9;]*m", "", text).split())
