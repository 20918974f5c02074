"""One guarded server, and one without the guard to compare with, for the whole session."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from tests.exports.tools import foreign_env
from tests.server.harness import Server


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A guarded server whose scans and exporters may take a few seconds, no more."""
    arguments = ("--QGuardGate.scan_seconds=20", "--QGuardGate.export_seconds=60")
    base = tmp_path_factory.mktemp("guarded")
    server = Server(base, *arguments, env={**foreign_env(), "QGUARD_TEST_ELSEWHERE": str(base / "elsewhere")}).wait()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def unguarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The same server without the extension."""
    server = Server(tmp_path_factory.mktemp("unguarded"), extension=False, env=foreign_env()).wait()
    yield server
    server.stop()


@pytest.fixture
def put() -> Any:
    """Return a function that lays a notebook on servers' disks, and gives its path."""

    def lay(book: dict[str, Any], *servers: Server) -> str:
        name = f"n{secrets.token_hex(4)}.ipynb"
        for server in servers:
            (server.root / name).write_text(json.dumps(book), encoding="utf-8")
        return name

    return lay
