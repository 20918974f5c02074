"""``qguard redact``: bytes spliced, values kept first, nothing lost when something fails."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Run, code_cell, github_token, notebook

MARKER = re.compile(rb"\[REDACTED:[a-z0-9-]+:([0-9a-f]{8})\]")


def odd_notebook(token: str) -> bytes:
    """A valid notebook in a layout that no writer would produce: it must survive byte for byte."""
    before = b'{ "nbformat":4,"nbformat_minor" : 5,\t'
    before += b'"metadata":{"k":1.50e1,"\\u00e9":"caf\\u00e9"},\r\n "cells":[{"id":"c1",'
    cell = b'"cell_type":"code","execution_count":null,"metadata":{},"outputs":[],"source":["a = 1\\n","t = \''
    return before + cell + token.encode() + b"'\"]} ]}\n\n"


def test_a_clean_file_comes_out_byte_for_byte(qguard: Run, work: Path) -> None:
    data = odd_notebook("nothing")
    (work / "a.ipynb").write_bytes(data)
    assert qguard("redact", "a.ipynb").stdout == data
    assert qguard("redact", "-", input=data).stdout == data
    assert qguard("redact", "a.ipynb", "-o", "b.ipynb").returncode == 0
    assert (work / "b.ipynb").read_bytes() == data
    before = (work / "a.ipynb").stat()
    assert qguard("redact", "--in-place", "a.ipynb").returncode == 0
    after = (work / "a.ipynb").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_outside_the_span_every_byte_stays(qguard: Run, work: Path) -> None:
    token = github_token()
    data = odd_notebook(token)
    done = qguard("redact", "-", input=data)
    assert done.returncode == 0
    before, after = data.split(token.encode())
    assert done.stdout.startswith(before)
    assert done.stdout.endswith(after)
    assert MARKER.fullmatch(done.stdout[len(before) : len(done.stdout) - len(after)])
    assert token[4:12].encode() not in done.stdout + done.stderr
    json.loads(done.stdout)
    again = qguard("redact", "-", input=done.stdout)
    assert again.stdout == done.stdout


def test_the_filter_agrees_on_every_machine(qguard: Run, tmp_path: Path) -> None:
    data = notebook(code_cell(f"t = '{github_token()}'"))
    outputs = set()
    for name in ("one", "two"):
        extra = {"HOME": str(tmp_path / name)}
        done = qguard("redact", "-", input=data, extra=extra)
        outputs.add(done.stdout)
    assert len(outputs) == 1
    assert MARKER.search(outputs.pop())[1] == b"00000000"  # type: ignore[index]
    keyed = {
        qguard(
            "redact", "-", input=data, extra={"HOME": str(tmp_path / n), "QGUARD_INSTALLATION_KEY": "ab" * 32}
        ).stdout
        for n in "cd"
    }
    assert len(keyed) == 1
    assert MARKER.search(keyed.pop())[1] != b"00000000"  # type: ignore[index]


def test_a_filter_in_a_home_that_cannot_be_written_still_filters(qguard: Run, home: Path) -> None:
    token = github_token()
    (home / "file").write_text("")
    done = qguard("redact", "-", input=notebook(code_cell(f"t = '{token}'")), extra={"HOME": str(home / "file")})
    assert done.returncode == 0
    assert MARKER.search(done.stdout)
    assert token[4:12].encode() not in done.stdout + done.stderr


def test_in_place_keeps_the_value_first_and_it_can_be_revealed(qguard: Run, work: Path, home: Path) -> None:
    token = github_token()
    path = work / "a.ipynb"
    path.write_bytes(notebook(code_cell(f"t = '{token}'")))
    path.chmod(0o640)
    done = qguard("redact", "--in-place", "a.ipynb")
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"a.ipynb: Written without 1 secret" in done.stderr
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    found = MARKER.search(path.read_bytes())
    assert found is not None
    listed = json.loads(qguard("kept", "list", "--format", "json").stdout)
    assert [set(entry) for entry in listed] == [{"id", "rule", "path", "cell_id", "until"}]
    assert (listed[0]["path"], listed[0]["cell_id"], listed[0]["id"]) == ("a.ipynb", "c1", found[1].decode())
    assert token.encode() not in qguard("kept", "list").stdout
    assert qguard("kept", "reveal", listed[0]["id"]).stdout == token.encode() + b"\n"
    for file in home.rglob("*"):
        assert not file.is_file() or token.encode() not in file.read_bytes()
    assert qguard("kept", "drop", listed[0]["id"]).returncode == 0
    assert qguard("kept", "reveal", listed[0]["id"]).returncode == 2
    assert json.loads(qguard("kept", "list", "--format", "json").stdout) == []


def test_in_place_refuses_when_nothing_can_be_kept(qguard: Run, work: Path) -> None:
    data = notebook(code_cell(f"t = '{github_token()}'"))
    (work / "a.ipynb").write_bytes(data)
    for extra in ({"QGUARD_KEEP": "none"}, {"JUPYTERHUB_USER": "someone"}):
        done = qguard("redact", "--in-place", "a.ipynb", extra=extra)
        assert done.returncode == 2
        assert done.stderr.count(b"\n") == 1
        assert (work / "a.ipynb").read_bytes() == data
        assert qguard("redact", "a.ipynb", "-o", "copy.ipynb", extra=extra).returncode == 0


def test_in_place_refuses_when_nothing_can_be_recorded(qguard: Run, work: Path, home: Path) -> None:
    data = notebook(code_cell(f"t = '{github_token()}'"))
    (work / "a.ipynb").write_bytes(data)
    (home / "file").write_text("")
    done = qguard("redact", "--in-place", "a.ipynb", extra={"QGUARD_DATA_DIR": str(home / "file")})
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
    assert (work / "a.ipynb").read_bytes() == data


def test_a_value_in_an_output_is_cut_but_not_kept(qguard: Run, work: Path) -> None:
    token = github_token()
    output = {"output_type": "stream", "name": "stdout", "text": f"using {token}\n"}
    (work / "a.ipynb").write_bytes(notebook(code_cell("print(t)", outputs=[output])))
    assert qguard("redact", "--in-place", "a.ipynb").returncode == 0
    assert token.encode() not in (work / "a.ipynb").read_bytes()
    assert json.loads(qguard("kept", "list", "--format", "json").stdout) == []


def test_a_text_file_is_rewritten_because_asked_to(qguard: Run, work: Path) -> None:
    token = github_token()
    (work / "settings.py").write_bytes(b"# caf\xe9\r\nTOKEN = '" + token.encode() + b"'\r\nX = 1")
    assert qguard("redact", "--in-place", "settings.py").returncode == 0
    text = (work / "settings.py").read_bytes()
    assert text.startswith(b"# caf\xe9\r\nTOKEN = ")
    assert text.endswith(b"'\r\nX = 1")
    assert token.encode() not in text
    (entry,) = json.loads(qguard("kept", "list", "--format", "json").stdout)
    assert qguard("kept", "reveal", entry["id"]).stdout == token.encode() + b"\n"


def test_a_link_stays_a_link(qguard: Run, work: Path) -> None:
    token = github_token()
    (work / "real.ipynb").write_bytes(notebook(code_cell(f"t = '{token}'")))
    (work / "link.ipynb").symlink_to("real.ipynb")
    (work / "hard.ipynb").hardlink_to(work / "real.ipynb")
    done = qguard("redact", "--in-place", "link.ipynb")
    assert done.returncode == 0
    assert b"hard links" in done.stderr
    assert (work / "link.ipynb").is_symlink()
    assert token.encode() not in (work / "real.ipynb").read_bytes()


def test_out_is_always_written_and_never_the_file_itself(qguard: Run, work: Path) -> None:
    token = github_token()
    data = notebook(code_cell(f"t = '{token}'"))
    (work / "a.ipynb").write_bytes(data)
    (work / "a.ipynb").chmod(0o600)
    (work / "same.ipynb").symlink_to("a.ipynb")
    assert qguard("redact", "a.ipynb", "-o", "b.ipynb").returncode == 0
    assert (work / "a.ipynb").read_bytes() == data
    assert token.encode() not in (work / "b.ipynb").read_bytes()
    assert stat.S_IMODE((work / "b.ipynb").stat().st_mode) == 0o600
    assert json.loads(qguard("kept", "list", "--format", "json").stdout) == []
    for out in ("a.ipynb", "same.ipynb", "no/such/folder.ipynb", "."):
        done = qguard("redact", "a.ipynb", "-o", out)
        assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)
        assert (work / "a.ipynb").read_bytes() == data
    assert qguard("redact", "-", "-o", "c.ipynb", input=data).returncode == 0
    assert MARKER.search((work / "c.ipynb").read_bytes())


def test_check_writes_nothing_and_exits_1(qguard: Run, work: Path) -> None:
    token = github_token()
    data = notebook(code_cell(f"t = '{token}'"))
    (work / "a.ipynb").write_bytes(data)
    (work / "b.ipynb").write_bytes(notebook(code_cell("1")))
    done = qguard("redact", "--check", "b.ipynb", "a.ipynb")
    assert done.returncode == 1
    assert b"a.ipynb" in done.stdout
    assert token[4:12].encode() not in done.stdout + done.stderr
    assert (work / "a.ipynb").read_bytes() == data
    assert qguard("redact", "--check", "b.ipynb").returncode == 0
    assert qguard("redact", "--check", "-", input=data).returncode == 1


def test_one_file_that_fails_does_not_stop_the_others(qguard: Run, work: Path) -> None:
    token = github_token()
    (work / "a.ipynb").write_bytes(notebook(code_cell(f"t = '{token}'")))
    (work / "folder").mkdir()
    broken = f'{{"cells": [ token = "{token}"'.encode()
    (work / "broken.ipynb").write_bytes(broken)
    done = qguard("redact", "--in-place", "folder", "nowhere.ipynb", "broken.ipynb", "a.ipynb")
    assert done.returncode == 2
    assert token.encode() not in (work / "a.ipynb").read_bytes()
    assert (work / "broken.ipynb").read_bytes() == broken
    assert token[4:12].encode() not in done.stdout + done.stderr
    for word in (b"folder: this is a folder", b"nowhere.ipynb: no such file", b"broken.ipynb: "):
        assert word in done.stderr


def test_a_policy_with_a_typo_writes_nothing(qguard: Run, work: Path) -> None:
    data = notebook(code_cell(f"t = '{github_token()}'"))
    (work / "a.ipynb").write_bytes(data)
    (work / "qguard.toml").write_text("version = 1\n[content]\nsorce = 'warn'\n")
    for arguments in (("--in-place", "a.ipynb"), ("a.ipynb", "-o", "b.ipynb"), ("a.ipynb",)):
        done = qguard("redact", *arguments)
        assert (done.returncode, done.stdout) == (2, b"")
        assert done.stderr.count(b"\n") == 1
    assert (work / "a.ipynb").read_bytes() == data
    assert not (work / "b.ipynb").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("a", "b"),
        ("a", "b", "-o", "c"),
        ("a", "--in-place", "-o", "c"),
        ("a", "--in-place", "--check"),
        ("-", "--in-place"),
        ("-", "a"),
        ("a", "--path", "b"),
    ],
)
def test_options_that_contradict_one_another_are_refused(qguard: Run, arguments: tuple[str, ...]) -> None:
    done = qguard("redact", *arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.count(b"\n") == 1


def test_a_path_makes_policy_hold_for_stdin(qguard: Run, work: Path) -> None:
    data = notebook(code_cell(f"t = '{github_token()}'"))
    entry = '[[paths]]\nmatch = "course/**"\nsource = "allow"\nreason = "teaching"\nowner = "a@lab.example"\n'
    (work / "qguard.toml").write_text("version = 1\n" + entry)
    assert qguard("redact", "-", "--path", "course/a.ipynb", input=data).stdout == data
    assert MARKER.search(qguard("redact", "-", "--path", "other/a.ipynb", input=data).stdout)


def test_a_git_filter_keeps_secrets_out_of_git(
    qguard: Run, work: Path, git: Callable[..., str], env: dict[str, str], tmp_path: Path
) -> None:
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    program = bin_folder / "qguard"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m jupyter_qguard "$@"\n')
    program.chmod(0o755)
    env["PATH"] = f"{bin_folder}{os.pathsep}{env['PATH']}"
    token = github_token()
    data = notebook(code_cell(f"t = '{token}'"))
    assert qguard("init", "--yes").returncode == 0
    name = "with space & quote's.ipynb"
    (work / name).write_bytes(data)
    (work / "clean.ipynb").write_bytes(odd_notebook("nothing"))
    git("add", "-A")
    git("commit", "-qm", "x")
    assert (work / name).read_bytes() == data
    assert token not in git("show", f"HEAD:{name}")
    assert "REDACTED" in git("show", f"HEAD:{name}")
    assert git("rev-parse", "HEAD:clean.ipynb") == git("hash-object", "--no-filters", "clean.ipynb")
    assert git("status", "--porcelain") == ""
    (work / name).write_bytes(b'{"cells": [ "' + token.encode())
    with pytest.raises(subprocess.CalledProcessError):
        git("add", name)
