"""The installation key: made once, by whoever comes first, and never readable by others."""

import os
import secrets
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from jupyter_qguard.broker import installation
from jupyter_qguard.errors import ConfigError

posix_only = pytest.mark.skipif(os.name == "nt", reason="POSIX modes")


def test_is_made_once_and_private(tmp_path: Path) -> None:
    folder = tmp_path / "qguard"
    first = installation.key(folder, {})
    assert first is not None
    assert len(first) == 32
    assert installation.key(folder, {}) == first
    assert [entry.name for entry in folder.iterdir()] == [installation.FILE_NAME]
    if os.name != "nt":
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / installation.FILE_NAME).stat().st_mode) == 0o600


@posix_only
def test_an_open_data_folder_is_tightened(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    installation.key(tmp_path, {})
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


def test_racing_processes_agree(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from jupyter_qguard.broker import installation; sys.stdin.read(1);"
        "print(installation.key(pathlib.Path(sys.argv[1]), {}).hex())"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "deep" / "qguard")]
    racers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path.cwd())
        for _ in range(6)
    ]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("!")
        racer.stdin.flush()
    keys = {racer.communicate(timeout=60)[0].strip() for racer in racers}
    assert len(keys) == 1
    assert len(keys.pop()) == 64
    assert [entry.name for entry in (tmp_path / "deep" / "qguard").iterdir()] == [installation.FILE_NAME]


def test_the_variable_wins_and_leaves_the_disk_alone(tmp_path: Path) -> None:
    raw = secrets.token_bytes(32)
    assert installation.key(tmp_path / "no", {installation.VARIABLE: raw.hex()}) == raw
    phrase = secrets.token_urlsafe(40)
    hashed = installation.key(tmp_path / "no", {installation.VARIABLE: phrase})
    assert hashed is not None
    assert len(hashed) == 32
    assert hashed == installation.key(tmp_path / "other", {installation.VARIABLE: phrase})
    assert not (tmp_path / "no").exists()


def test_a_short_variable_is_an_error_that_does_not_quote_it(tmp_path: Path) -> None:
    short = secrets.token_urlsafe(12)
    with pytest.raises(ConfigError) as caught:
        installation.key(tmp_path, {installation.VARIABLE: short})
    assert short not in caught.value.sentence()
    assert installation.VARIABLE in caught.value.sentence()


@pytest.mark.parametrize("length", [0, 31, 33, 5000])
def test_a_damaged_key_is_an_error_and_stays(tmp_path: Path, length: int) -> None:
    path = tmp_path / installation.FILE_NAME
    path.touch(mode=0o600)
    path.write_bytes(bytes(length))
    with pytest.raises(ConfigError, match="damaged"):
        installation.key(tmp_path, {})
    assert path.read_bytes() == bytes(length)


@posix_only
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_key_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    installation.key(tmp_path, {})
    (tmp_path / installation.FILE_NAME).chmod(mode)
    with pytest.raises(ConfigError, match="others"):
        installation.key(tmp_path, {})


def test_no_place_for_a_key_means_none(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("x")
    assert installation.key(blocker / "qguard", {}) is None


@posix_only
def test_a_read_only_home_means_none() -> None:
    """Really read-only: in a child that has given up root's rights if it had them."""
    code = (
        "import os, sys, pathlib; from jupyter_qguard.broker import installation;"
        "os.geteuid() or os.seteuid(65534);"
        "print(installation.key(pathlib.Path(sys.argv[1]) / 'qguard', {}))"
    )
    with tempfile.TemporaryDirectory() as home:  # not tmp_path, whose parents only root may enter
        Path(home).chmod(0o555)
        done = subprocess.run([sys.executable, "-c", code, home], capture_output=True, text=True, timeout=60)
        Path(home).chmod(0o700)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "None"
