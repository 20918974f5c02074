"""A home of its own for every test, secrets made up on the spot, notebooks around them."""

from __future__ import annotations

import json
import os
import secrets
import string
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., subprocess.CompletedProcess[bytes]]


def random_text(length: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))


def github_token() -> str:
    """A text of the shape of a GitHub token; it opens nothing."""
    return "ghp_" + random_text(36)


def aws_pair() -> tuple[str, str]:
    return "AKIA" + random_text(16, string.ascii_uppercase + "234567"), random_text(40)


def code_cell(source: str, cell_id: str = "c1", outputs: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": cell_id,
        "metadata": {},
        "outputs": outputs or [],
        "source": source,
    }


def notebook(*cells: dict[str, Any]) -> bytes:
    document = {"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(document, indent=1).encode() + b"\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def env(home: Path) -> dict[str, str]:
    """The environment of a fresh user: nothing of the machine's, no keyring."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "LANG") if name in os.environ}
    return kept | {
        "HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "QGUARD_KEEP": "file",
        "QGUARD_CACHE_DIR": str(ROOT / ".pytest_cache" / "qguard"),
    }


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def qguard(env: dict[str, str], work: Path) -> Run:
    """Run the real program in ``work``: ``qguard("scan", ".", input=b"…")``."""

    def run(
        *arguments: str | bytes,
        input: bytes | None = None,
        cwd: Path | None = None,
        extra: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(
            [sys.executable, "-m", "jupyter_qguard", *arguments],
            input=input if input is not None else b"",
            capture_output=True,
            cwd=cwd or work,
            env=env | dict(extra or {}),
            check=False,
            timeout=100,
        )
        assert b"Traceback" not in done.stderr
        assert b"Internal error" not in done.stderr
        return done

    return run


@pytest.fixture
def git(env: dict[str, str], work: Path) -> Callable[..., str]:
    """Run git in ``work``, which becomes a repository."""

    def run(*arguments: str, cwd: Path | None = None) -> str:
        return subprocess.run(
            ["git", "-c", "user.name=T", "-c", "user.email=t@example.invalid", *arguments],
            capture_output=True,
            text=True,
            cwd=cwd or work,
            env=env,
            check=True,
        ).stdout

    run("init", "-q", "-b", "main")
    return run
