"""Repositories with nothing of this machine in them, and ``qguard`` on the PATH as an installation puts it there."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.cli.conftest import ROOT, code_cell, github_token, notebook, qguard, random_text, work

__all__ = ["Git", "code_cell", "github_token", "leaky", "notebook", "qguard", "random_text", "work"]

Git = Callable[..., subprocess.CompletedProcess[str]]


def leaky(token: str, cell_id: str = "c1") -> bytes:
    """Return a notebook with a token in its source."""
    return notebook(code_cell(f"token = '{token}'\nprint(1)", cell_id))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def env(home: Path, tmp_path: Path) -> dict[str, str]:
    """The environment of a fresh user who has installed qguard: nothing of the machine's, no keyring."""
    programs = tmp_path / "bin"
    programs.mkdir()
    script = programs / "qguard"
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m jupyter_qguard "$@"\n')
    script.chmod(0o755)
    kept = {name: os.environ[name] for name in ("SYSTEMROOT", "LANG") if name in os.environ}
    return kept | {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "T",
        "GIT_AUTHOR_EMAIL": "t@example.invalid",
        "GIT_COMMITTER_NAME": "T",
        "GIT_COMMITTER_EMAIL": "t@example.invalid",
        "QGUARD_KEEP": "file",
        "QGUARD_CACHE_DIR": str(ROOT / ".pytest_cache" / "qguard"),
    }


@pytest.fixture
def git(env: dict[str, str], work: Path) -> Git:
    """Run git in ``work``, which becomes a repository: ``git("add", ".", check=False)``."""

    def run(
        *arguments: str, cwd: Path | None = None, extra: Mapping[str, str] | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["git", *arguments],
            capture_output=True,
            text=True,
            cwd=cwd or work,
            env=env | dict(extra or {}),
            stdin=subprocess.DEVNULL,
            check=False,
            timeout=100,
        )
        assert "Traceback" not in done.stderr
        if check:
            assert done.returncode == 0, done.stdout + done.stderr
        return done

    run("init", "-q", "-b", "main")
    return run
