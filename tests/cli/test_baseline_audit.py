"""`qguard baseline audit` in a real terminal (a pty): one value at a time, nothing of it shown, saved at once."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Run, code_cell, github_token, notebook

termios = pytest.importorskip("termios", reason="a pty is needed")
NAME = ".qguard-baseline.toml"


class Terminal:
    """The program in a terminal of its own."""

    def __init__(self, env: dict[str, str], work: Path, *arguments: str) -> None:
        master, slave = os.openpty()
        self.master, self.said, self.at = master, b"", 0
        command = [sys.executable, "-m", "jupyter_qguard", "baseline", "audit", *arguments]
        self.process = subprocess.Popen(
            command,
            cwd=work,
            env=env | {"TERM": "dumb"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)

    def until(self, text: str) -> None:
        """Read on until ``text`` comes; what stands before it is not looked at again."""
        end = time.monotonic() + 60
        while (at := self.said.find(text.encode(), self.at)) < 0:
            assert time.monotonic() < end, self.said.decode("utf-8", "replace")
            assert self._read(), self.said.decode("utf-8", "replace")
        self.at = at + len(text)

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def key(self, key: str) -> None:
        """Press a key once the program asks and listens for one: what is typed before that is thrown away."""
        self.until("[q]uit ?")
        end = time.monotonic() + 60
        while termios.tcgetattr(self.master)[3] & termios.ICANON:
            assert time.monotonic() < end
            time.sleep(0.01)
        self.type(key)

    def end(self) -> int:
        while self._read():
            pass
        os.close(self.master)
        return self.process.wait(60)

    def _read(self) -> bool:
        ready, _, _ = select.select([self.master], [], [], 60)
        try:
            more = os.read(self.master, 65536) if ready else b""
        except OSError:  # Linux says so when the other side is closed
            return False
        self.said += more
        return bool(more)


def test_an_audit_from_the_first_to_the_last(env: dict[str, str], work: Path, qguard: Run) -> None:
    tokens = [github_token() for _ in range(4)]
    outputs = [{"output_type": "stream", "name": "stdout", "text": f"it is {tokens[0]}\n"}]
    (work / "a.ipynb").write_bytes(notebook(code_cell(f"first = '{tokens[0]}'", outputs=outputs)))
    (work / "b.py").write_text("".join(f"k{number} = '{token}'\n" for number, token in enumerate(tokens[1:])))
    terminal = Terminal(env, work)
    terminal.key("a")
    terminal.until("Why is this no leak")
    terminal.type("made up\n")
    terminal.until("Who answers for it")
    terminal.type("ada@lab.example\n")
    terminal.until("Until when")
    terminal.type("30d\n")
    terminal.until("Accepted until")
    assert (work / NAME).read_text().count("github-token") == 1, "saved at once"
    terminal.key("x")
    terminal.key("n")
    terminal.until("qguard redact --in-place b.py")
    terminal.key("s")
    terminal.key("q")
    assert terminal.end() == 1
    said = terminal.said.decode()
    assert "it is ***" in said
    assert "k1 = '***'" in said
    assert "and 1 more place" in said
    assert "1 accepted, 3 left that fail a scan." in said
    for token in tokens:
        assert not any(token[at : at + 8] in said for at in range(4, len(token) - 7))
    assert qguard("scan", "a.ipynb").returncode == 0
    assert qguard("scan", "b.py").returncode == 1

    terminal = Terminal(env, work, "--all", "a.ipynb")
    terminal.key("n")
    terminal.until("The exception was taken back")
    assert terminal.end() == 1
    assert qguard("scan", "a.ipynb").returncode == 1


def test_interrupting_keeps_what_was_decided(env: dict[str, str], work: Path) -> None:
    (work / "b.py").write_text("".join(f"k{number} = '{github_token()}'\n" for number in range(2)))
    terminal = Terminal(env, work)
    terminal.key("a")
    for question, answer in (("Why", "made up\n"), ("Who", "ada\n"), ("Until", "30d\n")):
        terminal.until(question)
        terminal.type(answer)
    terminal.key("\x03")
    assert terminal.end() == 2
    assert (work / NAME).read_text().count("github-token") == 1


def test_without_a_terminal_it_says_what_to_do(qguard: Run, work: Path) -> None:
    (work / "b.py").write_text(f"k = '{github_token()}'\n")
    done = qguard("baseline", "audit")
    assert done.returncode == 2
    assert b"An audit needs a terminal." in done.stderr
    assert not (work / NAME).exists()
