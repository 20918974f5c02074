"""Servers are started once per session and manager; each test gets a folder and secrets of its own."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.harness import MANAGERS, Server, aws


@pytest.fixture(scope="session")
def _servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    started: dict[str, Server] = {}
    yield started
    for server in started.values():
        server.stop()


@pytest.fixture(params=list(MANAGERS))
def server(request: pytest.FixtureRequest, _servers: dict[str, Server], tmp_path_factory) -> Server:
    """A guarded server with one of the four managers that jupyter_server brings."""
    return _server(request.param, _servers, tmp_path_factory)


@pytest.fixture
def default_server(_servers: dict[str, Server], tmp_path_factory) -> Server:
    """The guarded server with the manager that jupyter_server uses by default."""
    return _server("async-large", _servers, tmp_path_factory)


def _server(name: str, servers: dict[str, Server], factory: pytest.TempPathFactory) -> Server:
    if name not in servers:
        argument = f"--ServerApp.contents_manager_class={MANAGERS[name]}"
        servers[name] = Server(factory.mktemp(name), argument, "--QGuardGate.scan_seconds=45").wait()
    return servers[name]


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> str:
    """An unused name for a folder below the root."""
    return f"t{secrets.token_hex(4)}"


@pytest.fixture
def plant() -> str:
    """A fresh secret."""
    return aws()


@pytest.fixture
def place(server: Server, folder: str) -> Path:
    """A fresh folder on the server's disk."""
    path = server.root / folder
    path.mkdir()
    return path
