"""The kernel's end: what reaches the database, what happens when nobody answers, and that Python 3.8 can read it."""

from __future__ import annotations

import ast
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_qguard.kernel import history

FOLDER = Path(history.__file__).parent
PLACEHOLDER = history.NOT_STORED


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.py")), ids=lambda file: file.name)
def test_python_3_8_can_read_it_and_only_the_standard_library_is_imported(file: Path) -> None:
    tree = ast.parse(file.read_text(), feature_version=(3, 8))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(str(node.module).split(".")[0])
    assert imported <= sys.stdlib_module_names


class Manager:
    """What IPython's HistoryManager does with its caches (core/history.py)."""

    enabled = True

    def __init__(self) -> None:
        self.db_input_cache: list[tuple[int, str, str]] = []
        self.db_output_cache: list[tuple[int, str]] = []
        self.db_input_cache_lock = threading.Lock()
        self.db_output_cache_lock = threading.Lock()
        self.inputs: list[tuple[int, str, str]] = []
        self.outputs: list[tuple[int, str]] = []
        self.clashes = 0

    def _writeout_input_cache(self, conn: Any) -> None:
        if self.clashes:
            self.clashes -= 1
            raise ValueError("not unique")
        self.inputs += self.db_input_cache

    def _writeout_output_cache(self, conn: Any) -> None:
        self.outputs += self.db_output_cache

    def writeout_cache(self, conn: Any = None) -> None:
        with self.db_input_cache_lock:
            try:
                self._writeout_input_cache(conn)
            except ValueError:
                self._writeout_input_cache(conn)
            finally:
                self.db_input_cache = []
        with self.db_output_cache_lock:
            self._writeout_output_cache(conn)
            self.db_output_cache = []


class Answers:
    """An asker that upper-cases, and notes whether a lock was held while it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[list[str]]] = []
        self.manager: Manager | None = None
        self.locked: list[bool] = []

    def clean(self, texts: list[list[str]]) -> list[str]:
        if texts:
            self.asked.append(texts)
            if self.manager is not None:
                self.locked.append(self.manager.db_input_cache_lock.locked())
        return [text.upper() for _, text in texts]


@pytest.fixture
def wrapped() -> tuple[Manager, Answers]:
    answers = Answers()
    kind = type("Wrapped", (Manager,), {})
    history.wrap(kind, answers)  # type: ignore[arg-type]  # has the one method that is used
    manager = kind()
    answers.manager = manager
    return manager, answers


def test_what_is_written_is_the_answer(wrapped: tuple[Manager, Answers]) -> None:
    manager, answers = wrapped
    manager.db_input_cache = [(1, "a", "a"), (2, "b", "%b")]
    manager.db_output_cache = [(1, "c")]
    manager.writeout_cache()
    assert manager.inputs == [(1, "A", "A"), (2, "B", "%B")]
    assert manager.outputs == [(1, "C")]
    assert manager.db_input_cache == []
    assert answers.asked == [[["s", "a"], ["s", "b"], ["s", "%b"], ["o", "c"]]], "asked once, each text once"
    assert answers.locked == [False], "the next cell waits for this lock"


def test_a_second_try_writes_the_same(wrapped: tuple[Manager, Answers]) -> None:
    manager, answers = wrapped
    manager.clashes = 1
    manager.db_input_cache = [(1, "a", "a")]
    manager.writeout_cache()
    assert manager.inputs == [(1, "A", "A")]
    assert len(answers.asked) == 1


def test_a_line_that_came_meanwhile_is_asked_for_too(wrapped: tuple[Manager, Answers]) -> None:
    manager, answers = wrapped
    manager.db_input_cache = [(1, "a", "a")]
    ask = answers.clean

    def slow(texts: list[list[str]]) -> list[str]:
        if not manager.db_input_cache_lock.locked():
            manager.db_input_cache.append((2, "late", "late"))
        return ask(texts)

    answers.clean = slow  # type: ignore[method-assign]
    manager.writeout_cache()
    assert manager.inputs == [(1, "A", "A"), (2, "LATE", "LATE")]


def test_a_changed_ipython_is_noticed() -> None:
    with pytest.raises(AttributeError):
        history.wrap(type("Other", (), {}), Answers())  # type: ignore[arg-type]


@pytest.fixture
def listening() -> Iterator[Callable[[Callable[[socket.socket], None]], list[Any]]]:
    """Answer one connection with a function; gives the address."""
    opened: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def listen(answer: Callable[[socket.socket], None]) -> list[Any]:
        server = socket.create_server(("127.0.0.1", 0))
        opened.append(server)

        def run() -> None:
            connection, _ = server.accept()
            with connection:
                answer(connection)

        threads.append(threading.Thread(target=run, daemon=True))
        threads[-1].start()
        return ["tcp", *server.getsockname(), "token"]

    yield listen
    for thread in threads:
        thread.join(5)
    for server in opened:
        server.close()


ODD: dict[str, Callable[[socket.socket], None]] = {
    "hangs up": lambda connection: None,
    "no JSON": lambda connection: connection.sendall(b"what?\n"),
    "no object": lambda connection: connection.sendall(b"[]\n"),
    "too few": lambda connection: connection.sendall(b'{"texts": []}\n'),
    "no list": lambda connection: connection.sendall(b'{"texts": "ab"}\n'),
    "a refusal": lambda connection: connection.sendall(b'{"texts": [null]}\n'),
    "half a line": lambda connection: connection.sendall(b'{"texts": ["a'),
}


@pytest.mark.parametrize("answer", ODD.values(), ids=ODD)
def test_anything_but_a_good_answer_stores_a_fixed_text(listening: Any, answer: Any) -> None:
    assert history.Asker(listening(answer)).clean([["s", "typed"]]) == [PLACEHOLDER]


def test_nobody_there_stores_a_fixed_text(tmp_path: Path) -> None:
    assert history.Asker(["unix", str(tmp_path / "none")]).clean([["s", "typed"]]) == [PLACEHOLDER]


def test_a_slow_answer_is_not_waited_for(listening: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "SECONDS", 0.2)
    done = threading.Event()

    def drip(connection: socket.socket) -> None:
        while not done.is_set():
            try:
                connection.sendall(b" ")
            except OSError:
                return
            time.sleep(0.01)

    try:
        assert history.Asker(listening(drip)).clean([["s", "typed"]]) == [PLACEHOLDER]
    finally:
        done.set()


def test_the_token_and_the_texts_are_sent(listening: Any) -> None:
    got: list[Any] = []

    def answer(connection: socket.socket) -> None:
        line = connection.makefile("rb").readline()
        got.append(json.loads(line))
        connection.sendall(b'{"texts": ["clean"]}\n')

    assert history.Asker(listening(answer)).clean([["s", "caf\udce9"]]) == ["clean"]
    assert got == [{"texts": [["s", "caf\udce9"]], "token": "token"}]


@pytest.mark.parametrize(
    "order", ["{", "[]", '{"mode": "redact"}', '{"mode": "redact", "address": ["carrier pigeon"]}']
)
def test_a_hook_that_fails_stores_nothing_at_all(order: str) -> None:
    """Run as IPython runs it: in a namespace, before the first cell."""
    code = f"""
import os, sys, types
shell = types.SimpleNamespace(history_manager=types.SimpleNamespace(enabled=True), user_ns={{}})
sys.modules["IPython"] = types.SimpleNamespace(get_ipython=lambda: shell)
os.environ["QGUARD_HISTORY"] = {order!r}
file = {str(FOLDER / "startup.py")!r}
os.environ["PYTHONSTARTUP"] = file
space = {{"__file__": file}}
exec(compile(open(file).read(), file, "exec"), space)
assert shell.history_manager.enabled is False
assert not [name for name in space if "qguard" in name], space.keys()
assert "PYTHONSTARTUP" not in os.environ and "QGUARD_HISTORY" not in os.environ
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "nothing is kept" in done.stderr


def test_a_plain_interpreter_runs_the_users_own_file(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text("print('mine', __name__)\n")
    told = {"PYTHONSTARTUP": str(FOLDER / "startup.py"), "QGUARD_PYTHONSTARTUP": str(mine)}
    code = f"file = {str(FOLDER / 'startup.py')!r}\n__file__ = file\nexec(compile(open(file).read(), file, 'exec'))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **told}, check=False
    )
    assert (done.returncode, done.stdout) == (0, "mine __main__\n"), done.stderr
