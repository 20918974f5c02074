"""What IPython's history stores of a cell: the text without its secrets, as the server gives it.

Only what goes into history.sqlite is changed, in IPython's own writing thread; ``In``, ``%history`` and recall in the
running session keep what was typed. Where nobody answers in time a fixed text is stored, never what was typed.
Standard library only, Python 3.8 syntax. Wraps IPython/core/history.py (7 to 9): ``writeout_cache``,
``_writeout_input_cache``, ``_writeout_output_cache``.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from typing import Any

NOT_STORED = "# [not stored: jupyter-qguard did not answer]"
SECONDS = 2.0
"""Longest wait for an answer, in all."""
_LONGEST = 16 * 2**20


def start() -> None:
    """Wrap the history of the shell that is starting. If that fails nothing at all is stored from now on."""
    told = os.environ.pop("QGUARD_HISTORY", "")
    if not told or "IPython" not in sys.modules:
        return
    shell = sys.modules["IPython"].get_ipython()
    manager = getattr(shell, "history_manager", None)
    if manager is None:
        return
    try:
        order = json.loads(told)
        if order["mode"] == "off":
            manager.enabled = False
            return
        asker = Asker(order["address"])
        wrap(type(manager), asker)
        asker.hello(order["kernel"])
    except Exception:
        manager.enabled = False
        raise


class Asker:
    """Asks the server for texts without secrets. ``address``: ["unix", path] or ["tcp", host, port, token]."""

    def __init__(self, address: list[Any]) -> None:
        if address[0] not in ("unix", "tcp"):
            raise ValueError("unknown kind of address")
        self._address = address

    def hello(self, kernel: str) -> None:
        """Tell the server that this kernel's history is wrapped; no answer is waited for beyond the first word."""
        threading.Thread(target=self._quietly, args=({"hello": kernel},), daemon=True).start()

    def clean(self, texts: list[list[str]]) -> list[str]:
        """Return each text (pairs of "s" for source or "o" for output, and the text) without its secrets."""
        if not texts:
            return []
        answers = self._quietly({"texts": texts})
        if not isinstance(answers, list) or len(answers) != len(texts):
            answers = [None] * len(texts)
        return [answer if isinstance(answer, str) else NOT_STORED for answer in answers]

    def _quietly(self, question: dict[str, Any]) -> Any:
        try:
            return self._ask(question).get("texts")
        except Exception:  # whatever it is, a fixed text is stored
            return None

    def _ask(self, question: dict[str, Any]) -> Any:
        end = time.monotonic() + SECONDS
        if self._address[0] == "unix":
            stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            target: Any = self._address[1]
        else:
            stream = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            target = (self._address[1], self._address[2])
            question = dict(question, token=self._address[3])
        with stream:
            stream.settimeout(SECONDS)
            stream.connect(target)
            stream.sendall(json.dumps(question).encode() + b"\n")
            answer = b""
            while not answer.endswith(b"\n"):
                left = end - time.monotonic()
                if left <= 0 or len(answer) > _LONGEST:
                    raise OSError("no answer in time")
                stream.settimeout(left)
                part = stream.recv(65536)
                if not part:
                    raise OSError("no whole answer")
                answer += part
        return json.loads(answer)


def wrap(manager: Any, asker: Asker) -> None:
    """Put the asker before what a class of history managers writes. Raises AttributeError where IPython changed."""
    write, inputs, outputs = (
        getattr(manager, name) for name in ("writeout_cache", "_writeout_input_cache", "_writeout_output_cache")
    )
    known = threading.local()

    def cleaned(pairs: list[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """Return the answers for pairs of kind and text: those asked for before the locks were taken, else now."""
        memory: dict[tuple[str, str], str] = getattr(known, "answers", {})
        missing = [pair for pair in dict.fromkeys(pairs) if pair not in memory]
        fresh = asker.clean([list(pair) for pair in missing])
        return {**memory, **dict(zip(missing, fresh))}  # no strict=: Python 3.8

    def writeout_cache(self: Any, conn: Any = None) -> Any:
        # Asked before IPython takes its locks, on which the next cell would wait.
        pairs = []
        with self.db_input_cache_lock:
            pairs += [("s", text) for line in self.db_input_cache for text in line[1:]]
        with self.db_output_cache_lock:
            pairs += [("o", line[1]) for line in self.db_output_cache]
        known.answers = cleaned(pairs) if self.enabled else {}
        try:
            return write(self, conn)
        finally:
            known.answers = {}

    def _writeout_input_cache(self: Any, conn: Any) -> None:
        typed = self.db_input_cache
        answers = cleaned([("s", text) for line in typed for text in line[1:]])
        self.db_input_cache = [(line[0], answers["s", line[1]], answers["s", line[2]]) for line in typed]
        try:
            inputs(self, conn)
        finally:
            self.db_input_cache = typed

    def _writeout_output_cache(self: Any, conn: Any) -> None:
        shown = self.db_output_cache
        answers = cleaned([("o", line[1]) for line in shown])
        self.db_output_cache = [(line[0], answers["o", line[1]]) for line in shown]
        try:
            outputs(self, conn)
        finally:
            self.db_output_cache = shown

    manager.writeout_cache = writeout_cache
    manager._writeout_input_cache = _writeout_input_cache
    manager._writeout_output_cache = _writeout_output_cache
