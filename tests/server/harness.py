"""A real Jupyter Server in a subprocess, fresh secrets, and a search of everything it may have written."""

from __future__ import annotations

import base64
import http.client
import json
import os
import secrets
import socket
import string
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

REPOSITORY = Path(__file__).resolve().parents[2]
MANAGERS = {
    "async-large": "jupyter_server.services.contents.largefilemanager.AsyncLargeFileManager",
    "large": "jupyter_server.services.contents.largefilemanager.LargeFileManager",
    "async-file": "jupyter_server.services.contents.filemanager.AsyncFileContentsManager",
    "file": "jupyter_server.services.contents.filemanager.FileContentsManager",
}
OTHERS = (
    "jupyter_lsp",
    "jupyterlab",
    "notebook",
    "notebook_shim",
    "jupyter_server_terminals",
    "nbclassic",
    "jupyterfs.extension",
)
TOKEN = secrets.token_hex(16)


def aws() -> str:
    """Return a random key id of the AWS shape."""
    return "AKIA" + "".join(secrets.choice(string.ascii_uppercase + "234567") for _ in range(16))


def core(secret: str) -> str:
    """Return the random part that must be found nowhere."""
    return secret[4:]


class Reply:
    """Status, headers and body of an HTTP answer."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes, reason: str = "") -> None:
        self.status, self.headers, self.body, self.reason = status, headers, body, reason

    @property
    def json(self):
        return json.loads(self.body)

    def ok(self) -> Reply:
        assert self.status in (200, 201, 204), (self.status, self.body[:500])
        return self


class Server:
    """One server. ``root`` is served; ``base`` holds its HOME and all else that it may write to."""

    def __init__(
        self,
        base: Path,
        *arguments: str,
        extension: bool = True,
        others: tuple[str, ...] = (),
        env: dict[str, str] | None = None,
        token: str = TOKEN,
    ) -> None:
        self.base, self.root, self.log = base, base / "root", base / "server.log"
        for name in ("root", "home", "tmp", "trouble"):
            (base / name).mkdir(parents=True, exist_ok=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        enabled = {**dict.fromkeys(OTHERS, False), "jupyter_qguard": extension, **dict.fromkeys(others, True)}
        command = [
            sys.executable,
            "-m",
            "jupyter_server",
            "--allow-root",
            "--no-browser",
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={self.port}",
            "--ServerApp.port_retries=0",
            f"--ServerApp.root_dir={self.root}",
            f"--IdentityProvider.token={token}",
            f"--ServerApp.jpserver_extensions={enabled}",
            *arguments,
        ]
        if not any("first_look_seconds" in argument for argument in arguments):
            command.append("--QGuardGate.first_look_seconds=0")
        self.env = self._environment(env or {})
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=self.env, cwd=self.root)

    def _environment(self, more: dict[str, str]) -> dict[str, str]:
        home = self.base / "home"
        passed = {name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
        return {
            **passed,
            "HOME": str(home),
            "TMPDIR": str(self.base / "tmp"),
            "JUPYTER_CONFIG_DIR": str(home / "config"),
            "JUPYTER_DATA_DIR": str(home / "data"),
            "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
            "QGUARD_DATA_DIR": str(home / "qguard"),
            "QGUARD_CACHE_DIR": str(Path(os.environ.get("QGUARD_TEST_CACHE", self.base / "cache"))),
            "QGUARD_TEST_TROUBLE": str(self.base / "trouble"),
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), str(REPOSITORY)]),
            "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
            **more,
        }

    def wait(self, seconds: float = 60) -> Server:
        """Return when the server answers. Fails with its log when it ends or does not."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise AssertionError("the server ended:\n" + self.log.read_text()[-3000:])
            try:
                if self.call("GET", "api/status").status == 200:
                    return self
            except OSError:
                time.sleep(0.1)
        raise AssertionError("the server did not answer:\n" + self.log.read_text()[-3000:])

    def ended(self, seconds: float = 60) -> tuple[int, str]:
        """Return exit code and log of a server that refuses to start."""
        code = self.process.wait(seconds)
        return code, self.log.read_text()

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = TOKEN,
        raw: bytes | None = None,
        headers: dict[str, str] | None = None,
    ):
        """Send a request below the server's root URL. ``body`` is sent as JSON, ``raw`` as it is."""
        more = headers or {}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Content-Type": "application/json", **more}
        if token:
            headers["Authorization"] = f"token {token}"
        data = raw if raw is not None else (None if body is None else json.dumps(body).encode())
        try:
            connection.request(method, "/" + path.lstrip("/"), body=data, headers=headers)
            answer = connection.getresponse()
            return Reply(answer.status, dict(answer.getheaders()), answer.read(), answer.reason)
        finally:
            connection.close()

    def contents(self, method: str, path: str, body: object = None, suffix: str = "") -> Reply:
        return self.call(method, f"api/contents/{quote(path)}{suffix}", body)

    def save(self, path: str, notebook: dict) -> Reply:
        return self.contents("PUT", path, {"type": "notebook", "format": "json", "content": notebook})

    def upload(self, path: str, data: bytes, **more: object) -> Reply:
        content = base64.b64encode(data).decode()
        return self.contents("PUT", path, {"type": "file", "format": "base64", "content": content, **more})

    def where(self, *values: str) -> list[str]:
        """Return every file of this server (log and sealed values included) that holds a value, in any common form."""
        needles = [form for value in values for form in forms(core(value))]
        found = []
        for file in self.base.rglob("*"):
            if file.is_file() and not file.is_symlink():
                data = file.read_bytes()
                if any(needle in data for needle in needles):
                    found.append(str(file.relative_to(self.base)))
        return found

    def trouble(self, kind: str | None) -> None:
        """Make the scanner of this server ``throw``, ``hang``, ``recurse`` or run out of ``memory``; None ends it."""
        for flag in (self.base / "trouble").iterdir():
            flag.unlink()
        if kind:
            (self.base / "trouble" / kind).touch()


def forms(text: str) -> list[bytes]:
    """Return a text as it may stand in a file: plain, UTF-16, base64 at each of its three alignments."""
    data = text.encode()
    encoded = []
    for shift in range(3):
        run = base64.b64encode(b"x" * shift + data)
        encoded.append(run[4 if shift else 0 : -4])
    return [data, text.encode("utf-16-le"), text.encode("utf-16-be"), *encoded]


def code_cell(source: object = "", outputs: list | None = None, **more: object) -> dict:
    return {
        "cell_type": "code",
        "id": secrets.token_hex(4),
        "metadata": {},
        "execution_count": None,
        "source": source,
        "outputs": outputs or [],
        **more,
    }


def notebook(*cells: dict, **metadata: object) -> dict:
    return {"cells": list(cells), "metadata": dict(metadata), "nbformat": 4, "nbformat_minor": 5}


def with_secret(value: str) -> dict:
    """Return a notebook with the value in a source and in an output."""
    stream = {"output_type": "stream", "name": "stdout", "text": f"using {value}\n"}
    return notebook(code_cell(f'key = "{value}"\nprint("using", key)', [stream], id="cell"))
