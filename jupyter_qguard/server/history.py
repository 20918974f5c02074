"""Answers kernels that ask what of a cell IPython's history may store. See kernel/history.py for the other end.

Listens on a Unix socket in a folder that only this user may enter, and looks at who connects where the system tells
(Linux); elsewhere on the loopback address, with a random token. Every text is judged by the whole engine, as the source
or output of a notebook that is saved; nothing is kept, because the editor still has the text.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import hashlib
import hmac
import json
import os
import secrets
import shutil
import socket
import socketserver
import struct
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jupyter_qguard.guard import Request
from jupyter_qguard.server.gate import QGuardGate
from jupyter_qguard.server.kernels import Launch

PATH = "IPython history"
"""What stands in the record, and what a [[paths]] pattern of the policy would match."""
HOOK = Path(__file__).parent.parent / "kernel" / "startup.py"
VARIABLE = "QGUARD_HISTORY"
_LONGEST = 16 * 2**20
_SOCKET_PATH = 100
"""Characters that a socket's path may have everywhere (sun_path is 104 to 108)."""
_REMEMBERED = 1000
_SMALL = 64 * 1024
"""How many answers are remembered, and to texts of how many characters at most: 64 Mi characters in all."""
_LANES = 4
_HELLO_SECONDS = 30.0


class HistoryContributor:
    """Hands each local IPython kernel the hook. Listens from the first such kernel on."""

    def __init__(self, gate: QGuardGate) -> None:
        self._gate = gate
        self._listener: Listener | None = None
        self._lock = threading.Lock()
        self.greeted: set[str] = set()

    def __call__(self, launch: Launch) -> None:
        """Change one launch as policy says: nothing, no history, or a history without secrets."""
        mode = self._gate.guard.policies.kernel_history[0]
        if mode == "leave" or not launch.local or not launch.ipython:
            return
        order: dict[str, Any] = {"mode": mode, "kernel": launch.kernel_id}
        if mode == "off":
            launch.cmd.append("--HistoryManager.enabled=False")
        else:
            with self._lock:
                if self._listener is None:
                    self._listener = Listener(self._gate, self.greeted)
            order["address"] = self._listener.address
            self.greeted.discard(launch.kernel_id)
            self._expect(launch)
        env = launch.env
        if env.get("PYTHONSTARTUP") and env["PYTHONSTARTUP"] != str(HOOK):
            env["QGUARD_PYTHONSTARTUP"] = env["PYTHONSTARTUP"]
        env["PYTHONSTARTUP"] = str(HOOK)
        env[VARIABLE] = json.dumps(order)

    def _expect(self, launch: Launch) -> None:
        """Say so in the log when a kernel does not report that its history is wrapped."""
        with contextlib.suppress(RuntimeError):  # no event loop: a kernel started by hand in a test
            asyncio.get_running_loop().call_later(_HELLO_SECONDS, self._missed, launch)

    def _missed(self, launch: Launch) -> None:
        if launch.kernel_id in self.greeted or not getattr(launch.provisioner, "has_process", False):
            return
        self._gate.log.warning(
            "jupyter-qguard: kernel %s did not take the history hook (is exec_PYTHONSTARTUP off, or is it still "
            "starting?): IPython may store what is typed there. `qguard scrub` cleans it afterwards.",
            launch.kernel_id,
        )

    def close(self) -> None:
        """Stop listening."""
        with self._lock:
            if self._listener is not None:
                self._listener.close()
                self._listener = None


class Listener:
    """A socket and the threads that answer on it. ``address`` is what the kernel's end needs."""

    def __init__(self, gate: QGuardGate, greeted: set[str], *, unix: bool = hasattr(socket, "AF_UNIX")) -> None:
        self._judge = TextJudge(gate)
        self._greeted = greeted
        self._lanes = threading.Semaphore(_LANES)
        self._folder: Path | None = None
        self.token = secrets.token_urlsafe(32)
        server: socketserver.BaseServer
        if unix:
            self._folder = _private_folder()
            path = self._folder / "history"
            server = _UnixServer(str(path), self._handler())
            path.chmod(0o600)
            self.address: list[Any] = ["unix", str(path)]
        else:
            server = _TcpServer(("127.0.0.1", 0), self._handler())
            self.address = ["tcp", *server.server_address[:2], self.token]
        self._server = server
        threading.Thread(target=server.serve_forever, name="qguard-history", daemon=True).start()
        atexit.register(self.close)

    def close(self) -> None:
        """Stop listening and remove the socket."""
        atexit.unregister(self.close)
        self._server.shutdown()
        self._server.server_close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _handler(self) -> Callable[..., socketserver.BaseRequestHandler]:
        listener = self

        class Handler(socketserver.StreamRequestHandler):
            timeout = 10.0

            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    listener._answer(self.connection, self.rfile, self.wfile)

        return Handler

    def _answer(self, connection: socket.socket, reading: Any, writing: Any) -> None:
        if not _same_user(connection):
            return
        line = reading.readline(_LONGEST)
        try:
            question = json.loads(line) if line.endswith(b"\n") else None
        except (ValueError, RecursionError):
            question = None
        if not isinstance(question, dict):
            return
        if self.address[0] == "tcp":
            given = question.get("token")
            if not isinstance(given, str) or not hmac.compare_digest(
                given.encode("utf-8", "replace"), self.token.encode()
            ):
                return
        if isinstance(question.get("hello"), str):
            self._greeted.add(question["hello"])
        with self._lanes:
            answers = self._judge.clean(question.get("texts"))
        writing.write(json.dumps({"texts": answers}).encode() + b"\n")


class TextJudge:
    """Texts in, texts without secrets out; None for one that may not be stored. Remembers answers by keyed digest."""

    def __init__(self, gate: QGuardGate) -> None:
        self._gate = gate
        self._key = secrets.token_bytes(32)
        self._known: OrderedDict[bytes, str | None] = OrderedDict()
        self._lock = threading.Lock()

    def clean(self, pairs: Any) -> list[str | None]:
        """Return one answer per pair of kind ("s" source, "o" output) and text. Never raises."""
        if not isinstance(pairs, list):
            return []
        answers: list[str | None] = []
        for pair in pairs:
            good = isinstance(pair, list) and len(pair) == 2 and pair[0] in ("s", "o") and isinstance(pair[1], str)
            answers.append(self._one(pair[0], pair[1]) if good else None)
        return answers

    def _one(self, kind: str, text: str) -> str | None:
        try:
            policies = self._gate.guard.policies
            told = f"{policies.digest}\0{kind}\0{text}".encode("utf-8", "surrogatepass")
            digest = hmac.new(self._key, told, hashlib.sha256).digest()
            with self._lock:
                if digest in self._known:
                    self._known.move_to_end(digest)
                    return self._known[digest]
            answer = self._judge(kind, text)
        except Exception as error:  # its text may quote the content; nothing is stored then
            self._gate.log.error("jupyter-qguard: a line of history could not be judged (%s)", type(error).__name__)
            return None
        if len(text) > _SMALL:
            return answer
        with self._lock:
            self._known[digest] = answer
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return answer

    def _judge(self, kind: str, text: str) -> str | None:
        cell: dict[str, Any] = {"cell_type": "code", "id": "history", "metadata": {}, "execution_count": None}
        cell["source"] = text if kind == "s" else ""
        stream = {"output_type": "stream", "name": "stdout", "text": text}
        cell["outputs"] = [] if kind == "s" else [stream]
        notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        judgement = self._gate.guard.check_notebook(notebook, Request("save", PATH))
        if judgement.refused:
            return None
        cleaned = judgement.content["cells"][0]
        return str(cleaned["source"] if kind == "s" else cleaned["outputs"][0]["text"])


class _UnixServer(socketserver.ThreadingMixIn, getattr(socketserver, "UnixStreamServer", socketserver.TCPServer)):  # type: ignore[misc]  # not on Windows
    daemon_threads = True
    request_queue_size = 64


class _TcpServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    request_queue_size = 64


def _private_folder() -> Path:
    """Return a fresh folder (0700) whose path is short enough for a socket. Raises OSError."""
    for base in (os.environ.get("XDG_RUNTIME_DIR"), None, "/tmp"):  # noqa: S108  (mkdtemp makes a private folder in it)
        with contextlib.suppress(OSError):
            folder = Path(tempfile.mkdtemp(prefix="qguard-", dir=base))
            if len(os.fsencode(folder)) < _SOCKET_PATH - len("/history"):
                return folder
            folder.rmdir()
    raise OSError("no folder for a socket")


def _same_user(connection: socket.socket) -> bool:
    """Return whether the other end is this user's. Where the system does not tell, folder or token decide."""
    if connection.family != getattr(socket, "AF_UNIX", None) or not hasattr(socket, "SO_PEERCRED"):
        return True
    told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return bool(struct.unpack("3i", told)[1] == os.geteuid())
