"""``qguard doctor``: what it finds, what it says to do, and its exit codes."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from jupyter_qguard.cli import checks
from jupyter_qguard.cli.open_doors import OPEN
from tests.cli.conftest import ROOT, Run, code_cell, github_token, notebook

BYPASSES = (ROOT / "docs" / "bypasses.md").read_text("utf-8")


@pytest.fixture
def enabled(home: Path, env: dict[str, str]) -> Path:
    """A user configuration that enables the extension, as the wheel's own does."""
    folder = home / ".jupyter" / "jupyter_server_config.d"
    folder.mkdir(parents=True)
    file = folder / "jupyter_qguard.json"
    file.write_text((ROOT / "jupyter-config" / "server-config" / "jupyter_qguard.json").read_text())
    shell = ROOT / "jupyter-config" / "nbconvert-config" / "jupyter_nbconvert_config.json"
    (home / ".jupyter" / shell.name).write_text(shell.read_text())
    env["JUPYTER_CONFIG_DIR"] = str(home / ".jupyter")
    # In a virtual environment where the package is installed its own file would otherwise come first.
    env["JUPYTER_PREFER_ENV_PATH"] = "0"
    return file


def test_all_is_well_in_a_clean_folder(qguard: Run, work: Path, enabled: Path) -> None:
    (work / "a.ipynb").write_bytes(notebook(code_cell("1")))
    done = qguard("doctor")
    text = done.stdout.decode()
    assert (done.returncode, done.stderr) == (0, b""), text
    for word in ("version: jupyter-qguard", "engine: ", "policy: mode enforce", "kept values: ", "record: decisions"):
        assert f"{word}" in text
    for manager in ("AsyncLargeFileManager", "LargeFileManager"):
        assert f"{manager}: no planted secret got through save, upload, copy, rename, checkpoint, restore" in text
    assert "on disk: 1 notebooks below this folder, none with a secret" in text
    assert "(kernel-writes)" in text
    assert "BROKEN" not in text
    assert "mend" not in text


def test_notebooks_and_checkpoints_on_disk_are_counted_and_named(qguard: Run, work: Path, enabled: Path) -> None:
    dirty = notebook(code_cell(f"t = '{github_token()}'"))
    (work / "a.ipynb").write_bytes(dirty)
    (work / ".ipynb_checkpoints").mkdir()
    (work / ".ipynb_checkpoints" / "a-checkpoint.ipynb").write_bytes(dirty)
    done = qguard("doctor")
    assert done.returncode == 1
    assert b"1 of them hold secrets (2 notebooks): " in done.stdout
    assert b"1 old checkpoints hold secrets: " in done.stdout
    assert (work / "a.ipynb").read_bytes() == dirty


def test_an_extension_that_is_off_or_unknown_is_broken(qguard: Run, enabled: Path) -> None:
    enabled.write_text(json.dumps({"ServerApp": {"jpserver_extensions": {"jupyter_qguard": False}}}))
    done = qguard("doctor")
    assert done.returncode == 2
    assert b"switched off by" in done.stdout
    assert b"jupyter server extension enable jupyter_qguard" in done.stdout


def test_nbconvert_without_its_configuration_is_to_be_mended(qguard: Run, home: Path, enabled: Path) -> None:
    assert b"guarded in a shell by" in qguard("doctor").stdout
    (home / ".jupyter" / "jupyter_nbconvert_config.py").write_text("c.NbConvertApp.logging_config = {}\n")
    done = qguard("doctor")
    assert done.returncode == 1
    assert b"replaces the logging_config" in done.stdout


def test_no_configuration_for_nbconvert_at_all_is_to_be_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_config_folders", lambda: [tmp_path])  # this environment may have the wheel's own
    found = list(checks.nbconvert({}, tmp_path))
    assert [(one.state, one.title) for one in found] == [("mend", "nbconvert")]
    assert "no configuration guards" in found[0].text


def test_a_policy_with_a_typo_is_broken(qguard: Run, work: Path, enabled: Path) -> None:
    (work / "qguard.toml").write_text('version = 1\n[content]\nsorce = "warn"\n')
    done = qguard("doctor")
    assert done.returncode == 2
    assert b"qguard.toml:3" in done.stdout


def test_observing_is_to_be_mended(qguard: Run, enabled: Path) -> None:
    done = qguard("doctor", extra={"QGUARD_MODE": "observe"})
    assert done.returncode == 1
    assert b"mode observe: nothing is redacted or refused" in done.stdout


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_a_data_folder_that_others_may_read_is_told_with_the_command(qguard: Run, home: Path, enabled: Path) -> None:
    data = home / "data"
    data.mkdir(mode=0o700)
    (data / "ledger").mkdir(mode=0o755)
    (data / "ledger").chmod(0o755)
    done = qguard("doctor", extra={"QGUARD_DATA_DIR": str(data)})
    assert b"chmod go-rwx" in done.stdout


@pytest.mark.parametrize(("repository", "level", "code"), [(True, "mend", 1), (False, "note", 0)])
def test_a_data_folder_below_is_to_be_mended_where_a_commit_could_take_it_along(
    qguard: Run, work: Path, enabled: Path, repository: bool, level: str, code: int
) -> None:
    """A home folder that is served as it is holds the data folder too, in a hidden place: nothing to mend."""
    if repository:
        (work / ".git").mkdir()
    (work / ".data").mkdir(mode=0o700)
    done = qguard("doctor", extra={"QGUARD_DATA_DIR": str(work / ".data")})
    text = done.stdout.decode()
    assert re.search(rf"^{level} +data folder: .*lies inside this folder", text, re.MULTILINE), text
    assert done.returncode == code, text


def test_nowhere_to_keep_and_nowhere_to_record(qguard: Run, home: Path, enabled: Path) -> None:
    (home / "file").write_text("")
    done = qguard("doctor", extra={"QGUARD_DATA_DIR": str(home / "file")})
    assert done.returncode == 2
    assert b"nothing can be kept" in done.stdout
    assert b"BROKEN  record: " in done.stdout


def test_what_is_open_is_what_the_page_says() -> None:
    tables = BYPASSES.split("\n## ")
    rows = {
        match[1]
        for part in tables
        if part.startswith(("Leaves the server", "Reaches the disk"))
        for match in re.finditer(r"^\| ([a-z-]+) \|.*\| not guarded \|", part, re.MULTILINE)
    }
    beside = {
        "kernel-messages", "settings-files", "leftover-backups", "old-copies", "browser-storage", "memory", "names",
        "git-history",
    }  # fmt: skip
    assert {door.id for door in OPEN} == rows - beside
