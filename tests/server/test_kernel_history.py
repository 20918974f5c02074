"""Real kernels of a real guarded server: IPython's history gets the redacted line, the session keeps what was typed."""

from __future__ import annotations

import json
import secrets
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import websocket

from tests.server.harness import TOKEN, Server, aws, core

HOOKED = "jupyter_qguard/kernel"


class Kernel:
    """A kernel of a server, spoken to as a browser does."""

    def __init__(self, server: Server, name: str = "python3") -> None:
        self.server = server
        self.id = server.call("POST", "api/kernels", {"name": name}).ok().json["id"]
        self._session = secrets.token_hex(8)
        address = f"ws://127.0.0.1:{server.port}/api/kernels/{self.id}/channels?token={TOKEN}"
        self._socket = websocket.create_connection(address, timeout=60)

    def run(self, code: str) -> str:
        """Run a cell; return what it printed and its result. Fails where it raised."""
        message = secrets.token_hex(8)
        header = {"msg_id": message, "msg_type": "execute_request", "username": "", "session": self._session,
                  "date": "2027-01-01T00:00:00Z", "version": "5.3"}  # fmt: skip
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
        frame = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        self._socket.send(json.dumps(frame))
        shown, replied, idle = "", False, False
        while not (replied and idle):
            got = json.loads(self._socket.recv())
            if got["parent_header"].get("msg_id") != message:
                continue
            kind, body = got["header"]["msg_type"], got["content"]
            if kind == "stream":
                shown += body["text"]
            elif kind == "execute_result":
                shown += body["data"]["text/plain"]
            elif kind == "execute_reply":
                assert body["status"] == "ok", body
                replied = True
            elif kind == "status" and body["execution_state"] == "idle":
                idle = True
        return shown

    def restart(self) -> None:
        self.server.call("POST", f"api/kernels/{self.id}/restart", {}).ok()

    def end(self) -> None:
        self._socket.close()
        self.server.call("DELETE", f"api/kernels/{self.id}").ok()


Start = Callable[..., Server]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a guarded server with a user policy, files in its home, and kernelspecs of its own."""
    started: list[Server] = []

    def run(policy: str = "", specs: dict[str, dict[str, object]] | None = None, **env: str) -> Server:
        base = tmp_path / "s"
        config, kernels = base / "home" / "config", base / "home" / "data" / "kernels"
        config.mkdir(parents=True, exist_ok=True)
        (config / "qguard.toml").write_text(policy)
        for name, spec in (specs or {}).items():
            (kernels / name).mkdir(parents=True)
            (kernels / name / "kernel.json").write_text(json.dumps({"display_name": name, **spec}))
        started.append(Server(base, env=env))
        return started[-1].wait()

    yield run
    for server in started:
        server.stop()


def history(server: Server) -> Path:
    return server.base / "home" / ".ipython" / "profile_default" / "history.sqlite"


def rows(server: Server, least: int = 0) -> list[str]:
    """Return what is stored, once there are so many rows (IPython writes them in a thread of its own)."""
    end = time.monotonic() + 20
    while True:
        found: list[str] = []
        if history(server).exists():
            with closing(sqlite3.connect(history(server))) as connection:
                found = [raw for (raw,) in connection.execute("SELECT source_raw FROM history ORDER BY session, line")]
        if len(found) >= least or time.monotonic() > end:
            return found
        time.sleep(0.05)


def test_history_stores_the_redacted_line(start: Start) -> None:
    """Row 33: nothing of a secret is in history.sqlite, its log or journal; the session itself loses nothing."""
    server, secret = start(), aws()
    kernel = Kernel(server)
    kernel.run("x = 41 + 1")
    kernel.run(f'key = "{secret}"')
    assert secret in kernel.run("%history")
    assert secret in kernel.run("print(In[2])")
    assert secret in kernel.run("print(_i2)")
    assert "PYTHONSTARTUP" not in kernel.run(
        "import os; print([n for n in os.environ if 'START' in n or 'QGUARD' in n])"
    )
    assert kernel.run("print([n for n in dir() if 'qguard' in n.lower()])").strip() == "[]"
    stored = rows(server, 7)
    kernel.end()
    assert stored[0] == "x = 41 + 1"
    assert stored[1].startswith('key = "[REDACTED:')
    everything = b"".join(file.read_bytes() for file in history(server).parent.glob("history.sqlite*"))
    assert core(secret).encode() not in everything
    assert server.where(secret) == []
    assert server.call("GET", "qguard/api/health").json["problems"] == []


def test_a_restarted_kernel_and_outputs_too(start: Start) -> None:
    server, one, two = start(), aws(), aws()
    profile = history(server).parent
    profile.mkdir(parents=True)
    (profile / "ipython_kernel_config.py").write_text("c.HistoryManager.db_log_output = True\n")
    kernel = Kernel(server)
    kernel.run(f'"{one}"')
    kernel.restart()
    kernel.run(f'"{two}"')
    assert len(rows(server, 2)) == 2
    kernel.end()
    everything = b"".join(file.read_bytes() for file in profile.glob("history.sqlite*"))
    assert core(one).encode() not in everything
    assert core(two).encode() not in everything
    with closing(sqlite3.connect(history(server))) as connection:
        outputs = [text for (text,) in connection.execute("SELECT output FROM output_history")]
    assert len(outputs) == 2
    assert all("[REDACTED:" in text for text in outputs)


def test_policy_may_switch_history_off_or_leave_it(start: Start) -> None:
    server, secret = start('[kernel]\nhistory = "off"\n'), aws()
    kernel = Kernel(server)
    kernel.run(f'key = "{secret}"')
    assert secret in kernel.run("print(In[1])")
    kernel.end()
    assert rows(server) == []
    assert server.where(secret) == []
    # Policy is looked at again at each start of a kernel.
    (server.base / "home" / "config" / "qguard.toml").write_text('[kernel]\nhistory = "leave"\n')
    kernel = Kernel(server)
    kernel.run(f'key = "{secret}"')
    assert rows(server, 1) == [f'key = "{secret}"']
    kernel.end()


def test_what_the_user_configured_still_runs(start: Start, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("started = 'yes'\n")
    (tmp_path / "also.py").write_text("also = 'yes'\n")
    server, secret = start(PYTHONSTARTUP=str(tmp_path / "mine.py")), aws()
    profile = history(server).parent
    profile.mkdir(parents=True)
    (profile / "ipython_kernel_config.py").write_text(
        f"c.IPKernelApp.exec_files = [{str(tmp_path / 'also.py')!r}]\nc.IPKernelApp.exec_lines = ['line = 1']\n"
    )
    kernel = Kernel(server)
    assert kernel.run("print(started, also, line)").strip() == "yes yes 1"
    assert kernel.run("import os; print(os.environ['PYTHONSTARTUP'])").strip() == str(tmp_path / "mine.py")
    kernel.run(f'key = "{secret}"')
    rows(server, 3)
    kernel.end()
    assert server.where(secret) == []


def test_a_kernel_that_does_not_import_us(start: Start) -> None:
    """The hook works by its path alone, in an interpreter that takes nothing from its surroundings."""
    argv = [sys.executable, "-I", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    provisioner = {"kernel_provisioner": {"provisioner_name": "local-provisioner"}}
    spec = {"argv": argv, "language": "python", "metadata": provisioner}
    server, secret = start(specs={"other": spec}), aws()
    kernel = Kernel(server, "other")
    assert kernel.run("import sys; print('jupyter_qguard' in sys.modules)").strip() == "False"
    kernel.run(f'key = "{secret}"')
    assert len(rows(server, 2)) == 2
    kernel.end()
    assert server.where(secret) == []


def test_other_kernels_are_left_as_they_are(start: Start, tmp_path: Path) -> None:
    told = tmp_path / "told.json"
    code = (
        f"import json, os, sys, time; json.dump([sys.argv, dict(os.environ)], open({str(told)!r}, 'w')); time.sleep(60)"
    )
    server = start(specs={"shell": {"argv": [sys.executable, "-c", code, "{connection_file}"], "language": "bash"}})
    kernel = server.call("POST", "api/kernels", {"name": "shell"}).ok().json["id"]
    end = time.monotonic() + 20
    while not (told.exists() and told.read_bytes().endswith(b"]")) and time.monotonic() < end:
        time.sleep(0.05)
    arguments, env = json.loads(told.read_bytes())
    server.call("DELETE", f"api/kernels/{kernel}")
    assert len(arguments) == 2
    assert not {"PYTHONSTARTUP", "QGUARD_HISTORY", "QGUARD_PYTHONSTARTUP"} & set(env)


def test_a_failing_scanner_stores_nothing_of_the_line(start: Start) -> None:
    server, secret = start(), aws()
    kernel = Kernel(server)
    kernel.run("x = 1")
    rows(server, 1)
    server.trouble("throw")
    kernel.run(f'key = "{secret}"')
    stored = rows(server, 2)
    server.trouble(None)
    kernel.end()
    assert stored[1] == "# [not stored: jupyter-qguard did not answer]"
    assert server.where(secret) == []


def test_a_guard_that_is_off_hooks_nothing(start: Start) -> None:
    server, secret = start(QGUARD_MODE="off"), aws()
    kernel = Kernel(server)
    kernel.run(f'key = "{secret}"')
    assert rows(server, 1) == [f'key = "{secret}"']
    kernel.end()
