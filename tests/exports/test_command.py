"""``qguard export`` as a whole process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.exports.plants import clean, planted
from tests.exports.search import leaks
from tests.exports.test_shell import Shell
from tests.exports.tools import FORMATS, left_out, needs
from tests.server.harness import aws, with_secret


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def export(shell: Shell, *arguments: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "jupyter_qguard", "export", *arguments]
    return subprocess.run(command, cwd=shell.here, env=shell.env, input=stdin, capture_output=True, timeout=110)


@pytest.mark.parametrize("to", FORMATS)
def test_every_format(shell: Shell, to: str) -> None:
    needs(to)
    book, values = planted(without=left_out(to))
    source = shell.put("a.ipynb", book)
    done = export(shell, "a.ipynb", "--to", to, "-o", "out.x")
    assert done.returncode == 0, done.stderr
    assert (shell.here / "out.x").stat().st_size > 80
    assert shell.leaked(values, source) == {}
    assert leaks(done.stdout + done.stderr, values) == []
    [line] = done.stderr.decode().splitlines()
    assert line.startswith("a.ipynb: Exported without ")


def test_extracted_files_lie_where_the_output_looks_for_them(shell: Shell) -> None:
    shell.put("a.ipynb", clean())
    done = export(shell, "a.ipynb", "--to", "markdown", "-o", "b.md")
    assert done.returncode == 0
    assert done.stderr == b""
    names = [file.name for file in (shell.here / "b_files").iterdir()]
    text = (shell.here / "b.md").read_text()
    assert len(names) == 2
    assert all(f"b_files/{name}" in text for name in names)


def test_beside_the_notebook_by_default(shell: Shell) -> None:
    shell.put("a.ipynb", clean())
    assert export(shell, "a.ipynb", "--to", "html").returncode == 0
    assert (shell.here / "a.html").exists()


def test_stdin_and_stdout(shell: Shell) -> None:
    book, values = planted()
    data = json.dumps(book).encode()
    for arguments in (["-", "--to", "script"], ["-", "--to", "script", "-o", "-"]):
        done = export(shell, *arguments, stdin=data)
        assert done.returncode == 0, done.stderr
        assert b"print(key)" in done.stdout
        assert leaks(done.stdout + done.stderr, values) == []


@pytest.mark.parametrize(
    ("name", "content", "to", "code"),
    [
        ("a.ipynb", None, "html", 2),
        ("a.ipynb", "", "html", 2),
        ("a.ipynb", "{}", "html", 2),
        ("a.ipynb", 'key = "{value}"', "html", 2),
        ("a.ipynb", "book", "nonsense", 2),
        ("a.ipynb", "book", "os.path", 2),
        ("a.ipynb", "book", "../x", 2),
        ("a.ipynb", "book", "foreign_raises", 2),
        ("a.ipynb", "book", "foreign_exits", 2),
        ("a.ipynb", "book", "foreign_nothing", 2),
        ("a.ipynb", "book", "foreign_trap", 2),
        ("a.ipynb", "book", "foreign_broken", 2),
        ("a.ipynb", "book", "foreign_packs", 1),
        ("a.ipynb", "book", "foreign_names", 1),
    ],
)
def test_what_cannot_be_done_is_one_sentence(shell: Shell, name: str, content: Any, to: str, code: int) -> None:
    value = aws()
    (shell.base / "elsewhere").write_text(value)
    book = with_secret(value)
    if content is not None:
        shell.put(name, book if content == "book" else content.replace("{value}", value))
    old = shell.put("out", "old")
    done = export(shell, name, "--to", to, "-o", "out")
    assert done.returncode == code, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == b""
    assert old.read_text() == "old"
    assert leaks(done.stderr, {"it": value}) == []


def test_the_notebook_itself_is_never_the_output(shell: Shell) -> None:
    file = shell.put("a.ipynb", with_secret(aws()))
    before = file.read_bytes()
    for to in ("notebook", "html"):
        assert export(shell, "a.ipynb", "--to", to, "-o", "./a.ipynb").returncode == 2
    assert export(shell, "a.ipynb", "--to", "notebook").returncode == 0
    assert file.read_bytes() == before
    assert b"REDACTED" in (file.parent / "a.nbconvert.ipynb").read_bytes()


def test_a_folder_that_is_not_there(shell: Shell) -> None:
    shell.put("a.ipynb", clean())
    for to in ("html", "markdown"):
        done = export(shell, "a.ipynb", "--to", to, "-o", "no/where/b")
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1


def test_a_folder_as_the_output_writes_nothing(shell: Shell) -> None:
    """Not its extracted pictures either."""
    shell.put("a.ipynb", clean())
    folder = shell.here / "there"
    folder.mkdir()
    (folder / "keep.txt").write_text("text")
    for to in ("html", "markdown"):
        done = export(shell, "a.ipynb", "--to", to, "-o", "there")
        assert done.returncode == 2
        assert b"is a folder" in done.stderr
    assert {file.name for file in folder.parent.iterdir() if file.name.startswith("there")} == {"there"}
    assert [file.name for file in folder.iterdir()] == ["keep.txt"]


def test_a_missing_program_is_named(shell: Shell) -> None:
    shell.put("a.ipynb", clean(without=("svg",)))
    shell.env["PATH"] = str(shell.base)
    for to, program in (("pdf", "pandoc or xelatex"), ("rst", "pandoc")):
        done = export(shell, "a.ipynb", "--to", to)
        assert done.returncode == 2
        assert any(word in done.stderr.decode() for word in program.split(" or "))
        assert b"install" in done.stderr.lower()


def test_a_policy_that_blocks_is_exit_1(shell: Shell) -> None:
    (shell.here / "qguard.toml").write_text('version = 1\n[doors]\nexport = { source = "block" }\n')
    value = aws()
    shell.put("a.ipynb", with_secret(value))
    done = export(shell, "a.ipynb", "--to", "html")
    assert done.returncode == 1
    assert not (shell.here / "a.html").exists()


def test_a_notebook_over_a_budget_is_refused(shell: Shell) -> None:
    book = clean()
    deep: Any = 0
    for _ in range(200):
        deep = [deep]
    book["metadata"]["deep"] = deep
    shell.put("a.ipynb", book)
    done = export(shell, "a.ipynb", "--to", "html")
    assert done.returncode == 1
    assert b"could not be looked into" in done.stderr


def test_a_large_output(shell: Shell) -> None:
    value = aws()
    book = with_secret(value)
    book["cells"][0]["outputs"][0]["text"] = "0123456789 nothing here\n" * 2_200_000 + f"key {value}\n"  # 50 MB
    source = shell.put("a.ipynb", book)
    done = export(shell, "a.ipynb", "--to", "notebook", "-o", "b.ipynb")
    assert done.returncode == 0, done.stderr
    made = (shell.here / "b.ipynb").read_bytes()
    assert value[4:].encode() not in made
    assert len(made) > 50_000_000
    assert value[4:].encode() in source.read_bytes()
