"""The git filter in real repositories: nothing leaks in, nothing is lost, nothing looks changed that is not."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.git.conftest import Git, code_cell, github_token, leaky, notebook

MARKER = re.compile(r"\[REDACTED:github-token:([0-9a-f]{8})\]")
CLEAN = notebook(code_cell("x = 1"))


@pytest.fixture
def filtered(qguard: Run, git: Git, work: Path) -> Path:
    """A repository set up by ``qguard init --yes``, with one commit."""
    assert qguard("init", "--yes").returncode == 0
    (work / ".pre-commit-config.yaml").unlink()
    git("add", ".")
    git("commit", "-qm", "set up")
    return work


def values(qguard: Run) -> list[str]:
    listed = json.loads(qguard("kept", "list", "--format", "json").stdout)
    return [qguard("kept", "reveal", entry["id"]).stdout.decode().strip() for entry in listed]


def status(git: Git, cwd: Path | None = None) -> str:
    return git("status", "--porcelain", cwd=cwd).stdout


def test_a_value_is_kept_before_a_checkout_takes_it_away(filtered: Path, qguard: Run, git: Git) -> None:
    token = github_token()
    path = filtered / "a.ipynb"
    path.write_bytes(leaky(token))
    added = git("add", "a.ipynb")
    assert "1 secret" in added.stderr
    assert token[4:12] not in added.stderr
    assert token.encode() in path.read_bytes(), "the file itself stays"
    assert values(qguard) == [token]
    assert MARKER.search(git("show", ":a.ipynb").stdout)
    git("commit", "-qm", "one")
    git("checkout", "-q", "HEAD~1")
    assert not path.exists()
    git("checkout", "-q", "main")
    assert token.encode() not in path.read_bytes()
    assert values(qguard) == [token]
    assert token not in git("log", "-p", "--all").stdout


def test_a_value_typed_again_is_kept_though_git_stores_nothing_new(filtered: Path, qguard: Run, git: Git) -> None:
    """The redacted text is what git has already; the file counts as unmodified, and a checkout overwrites it."""
    path = filtered / "a.ipynb"
    path.write_bytes(leaky(github_token()))
    git("add", ".")
    git("commit", "-qm", "one")
    git("checkout", "-q", "HEAD~1")
    git("checkout", "-q", "main")
    other = github_token()
    path.write_bytes(leaky(other))
    assert git("diff").stdout == ""
    git("add", ".")
    assert status(git) == ""
    git("checkout", "-q", "HEAD~1")
    git("checkout", "-q", "main")
    assert other.encode() not in path.read_bytes()
    assert other in values(qguard)


def test_an_output_is_redacted_and_not_kept(filtered: Path, qguard: Run, git: Git) -> None:
    token = github_token()
    output = {"output_type": "stream", "name": "stdout", "text": f"{token}\n"}
    (filtered / "a.ipynb").write_bytes(notebook(code_cell("print(t)", outputs=[output])))
    git("add", ".")
    assert token not in git("show", ":a.ipynb").stdout
    assert values(qguard) == []


@pytest.mark.parametrize(("key", "crlf"), [("", False), ("", True), ("ab" * 32, False)])
def test_nothing_looks_changed_that_is_not(filtered: Path, git: Git, env: dict[str, str], key: str, crlf: bool) -> None:
    if key:
        env["QGUARD_INSTALLATION_KEY"] = key
    if crlf:
        git("config", "core.autocrlf", "true")
    data = leaky(github_token())
    (filtered / "a.ipynb").write_bytes(data.replace(b"\n", b"\r\n") if crlf else data)
    (filtered / "b.ipynb").write_bytes(CLEAN.replace(b"\n", b"\r\n") if crlf else CLEAN)
    git("add", ".")
    assert "\r" not in git("show", ":a.ipynb").stdout
    assert (MARKER.search(git("show", ":a.ipynb").stdout)[1] == "00000000") is not key  # type: ignore[index]
    git("commit", "-qm", "one")
    assert status(git) == ""
    for number in (1, 2):
        os.utime(filtered / "a.ipynb", (number, number))
        os.utime(filtered / "b.ipynb", (number, number))
        assert status(git) == ""
        assert git("diff").stdout == ""
    git("checkout", "-q", "HEAD~1")
    git("checkout", "-q", "main")
    assert status(git) == ""
    git("rm", "-q", "--cached", "-r", ".")
    git("add", ".")
    assert status(git) == "", "added anew it is the same"
    git("add", "--renormalize", ".")
    assert status(git) == ""


def test_ids_are_the_same_on_every_machine_and_run(filtered: Path, git: Git, env: dict[str, str], home: Path) -> None:
    (filtered / "a.ipynb").write_bytes(leaky(github_token()))
    blobs = set()
    for name in ("one", "two"):
        env["QGUARD_DATA_DIR"] = str(home / name)
        git("rm", "-q", "--cached", "--ignore-unmatch", "a.ipynb")
        git("add", "a.ipynb")
        blobs.add(git("rev-parse", ":a.ipynb").stdout)
    assert len(blobs) == 1


def test_a_clone_with_and_without_the_filter_is_clean(filtered: Path, git: Git, qguard: Run, tmp_path: Path) -> None:
    (filtered / "a.ipynb").write_bytes(leaky(github_token()))
    git("add", ".")
    git("commit", "-qm", "one")
    clone = tmp_path / "clone"
    git("clone", "-q", str(filtered), str(clone))
    assert status(git, clone) == ""
    assert qguard("init", "--yes", cwd=clone).returncode == 0
    (clone / ".pre-commit-config.yaml").unlink()
    os.utime(clone / "a.ipynb", (1, 1))
    assert status(git, clone) == ""
    git("checkout", "-q", "HEAD~1", cwd=clone)
    git("checkout", "-q", "main", cwd=clone)
    assert status(git, clone) == ""


def test_diff_shows_markers(filtered: Path, git: Git) -> None:
    (filtered / "a.ipynb").write_bytes(CLEAN)
    git("add", ".")
    git("commit", "-qm", "one")
    token = github_token()
    (filtered / "a.ipynb").write_bytes(leaky(token))
    shown = git("diff").stdout
    assert MARKER.search(shown)
    assert token not in shown


def test_merge_rebase_stash_and_reset(filtered: Path, git: Git, qguard: Run) -> None:
    tokens = [github_token() for _ in range(4)]
    (filtered / "a.ipynb").write_bytes(CLEAN)
    git("add", ".")
    git("commit", "-qm", "base")
    git("checkout", "-q", "-b", "side")
    (filtered / "b.ipynb").write_bytes(leaky(tokens[0]))
    git("add", ".")
    git("commit", "-qm", "side")
    git("checkout", "-q", "main")
    (filtered / "c.ipynb").write_bytes(leaky(tokens[1]))
    git("add", ".")
    git("commit", "-qm", "main")
    git("merge", "-q", "--no-edit", "side")
    assert status(git) == ""
    git("checkout", "-q", "side")
    git("rebase", "-q", "main")
    (filtered / "a.ipynb").write_bytes(leaky(tokens[2]))
    git("stash")
    assert status(git) == ""
    git("stash", "pop", "-q")
    assert status(git) == " M a.ipynb\n"
    assert MARKER.search((filtered / "a.ipynb").read_text())
    (filtered / "a.ipynb").write_bytes(leaky(tokens[3]))
    git("add", "a.ipynb")
    git("reset", "-q", "--hard")
    assert status(git) == ""
    assert (filtered / "a.ipynb").read_bytes() == CLEAN
    assert set(values(qguard)) == set(tokens), "whatever git overwrote is kept"
    history = git("log", "-p", "--all", "--reflog").stdout
    assert [token for token in tokens if token in history] == []


def test_where_nothing_can_be_kept_nothing_is_added(filtered: Path, git: Git, env: dict[str, str]) -> None:
    token = github_token()
    (filtered / "a.ipynb").write_bytes(leaky(token))
    for hindrance in ({"QGUARD_KEEP": "none"}, {"JUPYTERHUB_USER": "someone"}):
        done = git("add", "a.ipynb", extra=hindrance, check=False)
        assert done.returncode == 128
        assert "could not be kept" in done.stderr
        assert "Take the value out of the notebook" in done.stderr
        assert token[4:12] not in done.stderr
        assert status(git) == "?? a.ipynb\n"
    assert token.encode() in (filtered / "a.ipynb").read_bytes()


def test_a_home_that_cannot_be_written_does_not_break_git_status(
    filtered: Path, git: Git, env: dict[str, str], home: Path, qguard: Run
) -> None:
    path = filtered / "a.ipynb"
    path.write_bytes(leaky(github_token()))
    os.utime(path, (1e9, 1e9))  # else git, unable to tell by the times alone, would filter it once more
    git("add", ".")
    git("commit", "-qm", "one")
    (home / "file").write_text("")
    readonly = {"QGUARD_DATA_DIR": str(home / "file")}
    (filtered / "clean.ipynb").write_bytes(CLEAN)
    git("add", "clean.ipynb", extra=readonly)
    git("commit", "-qm", "two", extra=readonly)
    path.write_bytes(leaky(github_token()))
    seen = git("-c", "core.fsmonitor=false", "status", "--porcelain", extra=readonly)
    assert seen.stdout == " M a.ipynb\n", "not clean: a checkout would take away what is not kept"
    assert seen.stderr.count("\n") == 1
    assert "`git add` will refuse it" in seen.stderr
    assert git("add", "a.ipynb", extra=readonly, check=False).returncode == 128
    assert git("stash", extra=readonly, check=False).returncode != 0
    assert not MARKER.search(path.read_text()), "nothing was overwritten"


def test_a_filter_that_fails_stops_git_add(filtered: Path, git: Git, env: dict[str, str], tmp_path: Path) -> None:
    (filtered / "a.ipynb").write_bytes(leaky(github_token()))
    program = Path(env["PATH"].split(os.pathsep)[0]) / "qguard"
    working = program.read_text()
    for broken in ("exit 3", "echo rubbish", "kill -9 $$", "cat"):
        program.write_text(f"#!/bin/sh\n{broken}\n")
        assert git("add", "a.ipynb", check=False).returncode == 128
    program.unlink()
    others = [one for one in env["PATH"].split(os.pathsep) if not (Path(one) / "qguard").exists()]
    assert git("add", "a.ipynb", check=False, extra={"PATH": os.pathsep.join(others)}).returncode == 128
    assert git("ls-files", "a.ipynb").stdout == ""
    program.write_text(working)
    program.chmod(program.stat().st_mode | stat.S_IXUSR | stat.S_IRWXU)
    (filtered / "qguard.toml").write_text("version = 7\n")
    done = git("add", "a.ipynb", check=False)
    assert (done.returncode, "qguard policy check" in done.stderr) == (128, True)


def test_what_is_no_notebook_passes_unless_something_is_found(filtered: Path, git: Git) -> None:
    conflict = b"<<<<<<< ours\n{}\n=======\n>>>>>>> theirs\n"
    (filtered / "a.ipynb").write_bytes(conflict)
    git("add", "a.ipynb")
    assert git("show", ":a.ipynb").stdout.encode() == conflict
    (filtered / "a.ipynb").write_bytes(conflict + f"token = '{github_token()}'\n".encode())
    done = git("add", "a.ipynb", check=False)
    assert done.returncode == 128
    assert git("show", ":a.ipynb").stdout.encode() == conflict
    git("status")


def test_odd_names_in_both_protocols(filtered: Path, git: Git) -> None:
    names = ["-dash.ipynb", "with space.ipynb", "quo'te\".ipynb", "naïve.ipynb", "new\nline.ipynb", "$(x);.ipynb"]
    for name in names:
        (filtered / name).write_bytes(leaky(github_token()))
    git("add", "--", *names)
    by_process = git("ls-files", "-z", "--stage", "--", *names).stdout
    git("rm", "-q", "--cached", "--", *names)
    git("config", "--unset", "filter.qguard.process")
    git("add", "--", *names)
    assert git("ls-files", "-z", "--stage", "--", *names).stdout == by_process
    assert all(MARKER.search(git("show", f":{name}").stdout) for name in names)


def test_large_and_empty_files_come_through_byte_for_byte(filtered: Path, git: Git) -> None:
    sources = ["# " + "é" * 70_000, "y = 1"]
    big = notebook(*(code_cell(source, f"c{number}") for number, source in enumerate(sources)))
    (filtered / "big.ipynb").write_bytes(big)
    (filtered / "empty.ipynb").write_bytes(b"")
    git("add", ".")
    git("commit", "-qm", "one")
    assert git("show", "HEAD:big.ipynb").stdout.encode() == big
    git("checkout", "-q", "HEAD~1")
    git("checkout", "-q", "main")
    assert (filtered / "big.ipynb").read_bytes() == big
    assert (filtered / "empty.ipynb").read_bytes() == b""
    assert status(git) == ""


def test_another_filter_for_notebooks_is_not_replaced(qguard: Run, git: Git, work: Path) -> None:
    (work / ".gitattributes").write_text("*.ipynb filter=nbstripout\n")
    done = qguard("init", "--yes")
    assert done.returncode == 2
    assert b"filter nbstripout already" in done.stderr
    assert (work / ".gitattributes").read_text() == "*.ipynb filter=nbstripout\n"


def test_the_filter_of_an_earlier_version_is_brought_up_to_date(qguard: Run, git: Git, work: Path) -> None:
    git("config", "filter.qguard.clean", "qguard redact - --path %f")
    (work / ".gitattributes").write_text("*.ipynb filter=qguard\n")
    assert qguard("init", "--yes").returncode == 0
    assert git("config", "filter.qguard.clean").stdout == "qguard git filter -- %f\n"
    assert b"set up already" in qguard("init").stdout


@pytest.mark.parametrize("sent", [b"", b"hello, are you a filter?", b"0008abc", b"ffff", b"000eversion=2\n0000"])
def test_whoever_is_not_git_gets_a_sentence(qguard: Run, sent: bytes) -> None:
    done = qguard("git", "filter", input=sent)
    assert done.returncode == (0 if sent == b"" else 2)
    assert done.stdout == b""
    assert done.stderr.count(b"\n") == (0 if sent == b"" else 1)
