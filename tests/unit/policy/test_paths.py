"""Folders follow the environment handed in and the rules of jupyter_core."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_qguard import paths


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"XDG_DATA_HOME": "/x/data", "XDG_CONFIG_HOME": "/x/config"},
        {"JUPYTER_CONFIG_DIR": "/j/config", "JUPYTER_DATA_DIR": "/j/data"},
        {"JUPYTER_PLATFORM_DIRS": "1"},
        {"JUPYTER_PLATFORM_DIRS": "1", "XDG_DATA_HOME": "/x/data", "XDG_CONFIG_HOME": "/x/config"},
    ],
)
def test_the_folders_are_those_of_jupyter_core(tmp_path: Path, extra: dict[str, str]) -> None:
    env = {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path), **extra}
    code = "from jupyter_core import paths as p; print(p.jupyter_config_dir()); print(p.jupyter_data_dir())"
    base = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER_", "XDG_"))}
    asked = subprocess.run(
        [sys.executable, "-c", code], env={**base, **env}, capture_output=True, check=True, text=True
    )
    config, data = asked.stdout.splitlines()
    assert str(paths.user_config_dir(env)) == config
    assert str(paths.data_dir(env)) == str(Path(data) / "qguard")


def test_our_own_variables_win(tmp_path: Path) -> None:
    env = {"QGUARD_DATA_DIR": str(tmp_path / "d"), "QGUARD_CACHE_DIR": str(tmp_path / "c"), "JUPYTER_DATA_DIR": "/j"}
    assert paths.data_dir(env) == tmp_path / "d"
    assert paths.cache_dir(env) == tmp_path / "c"
    assert paths.cache_dir({"HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}).is_relative_to(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_system_folders_are_the_installations_and_not_the_users(tmp_path: Path) -> None:
    env = {"JUPYTER_CONFIG_PATH": str(tmp_path), "JUPYTER_NO_CONFIG": "1", "HOME": str(tmp_path)}
    found = paths.system_config_dirs(env)
    assert Path(sys.prefix) / "etc" / "jupyter" in found
    assert tmp_path not in found
    assert paths.config_dirs(env) == (paths.user_config_dir(env), *found)


def test_a_home_outside_the_environment_is_the_accounts() -> None:
    assert paths.user_config_dir({}) == Path.home() / ".jupyter"


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, jupyter_qguard.settings, jupyter_qguard.paths; print([m for m in sys.modules if 'jupyter' in m])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout
    assert "jupyter_core" not in shown
    assert "jupyter_qguard.scan" not in shown
