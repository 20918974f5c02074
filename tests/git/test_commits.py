"""``qguard scan --commits`` and ``--push``: what commits bring in is judged, and what the remote has is left alone."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.git.conftest import Git, code_cell, github_token, leaky, notebook

CLEAN = notebook(code_cell("x = 1"))
ZEROS = "0" * 40


def commit(git: Git, work: Path, name: str, data: bytes, message: str = "m") -> str:
    (work / name).parent.mkdir(parents=True, exist_ok=True)
    (work / name).write_bytes(data)
    git("add", "-A")
    git("commit", "-qm", message)
    return git("rev-parse", "HEAD").stdout.strip()


def found(done: subprocess.CompletedProcess[bytes]) -> set[str]:
    """Return the places with findings, the commit's name cut off."""
    files = json.loads(done.stdout)["files"]
    return {file["path"][11:] for file in files if file["verdict"] != "allow"}


def judged(done: subprocess.CompletedProcess[bytes]) -> set[str]:
    return {file["path"][11:] for file in json.loads(done.stdout)["files"]}


def test_what_a_later_commit_removed_is_found_where_it_is(qguard: Run, work: Path, git: Git) -> None:
    first = commit(git, work, "a.ipynb", CLEAN)
    token = github_token()
    guilty = commit(git, work, "sub/b ä.ipynb", leaky(token))
    commit(git, work, "sub/b ä.ipynb", CLEAN)
    assert qguard("scan", ".").returncode == 0
    done = qguard("scan", "--commits", f"{first}..HEAD", "--format", "json")
    assert (done.returncode, found(done)) == (1, {"sub/b ä.ipynb"})
    [file] = [file for file in json.loads(done.stdout)["files"] if file["findings"]]
    assert file["path"].startswith(guilty[:10] + ":")
    assert token in git("show", file["path"]).stdout
    assert qguard("scan", "--commits", f"{guilty}..HEAD").returncode == 0
    assert qguard("scan", "--commits", "HEAD", cwd=work / "sub").returncode == 1


def test_messages_of_commits_and_tags_are_judged(qguard: Run, work: Path, git: Git) -> None:
    first = commit(git, work, "a.txt", b"1")
    commit(git, work, "a.txt", b"2", f"use token {github_token()}")
    done = qguard("scan", "--commits", f"{first}..HEAD", "--format", "json")
    assert (done.returncode, found(done)) == (1, {"(message)"})
    git("tag", "-a", "v1", "-m", f"token {github_token()}", first)
    assert qguard("scan", "--commits", f"{first}..v1").returncode == 1


def test_one_content_at_two_places_is_judged_at_both(qguard: Run, work: Path, git: Git) -> None:
    first = commit(git, work, "a.ipynb", CLEAN)
    entry = 'match = "courses/**"\nsource = "allow"\nreason = "teaching"\nowner = "t"\nexpires = 2999-01-01\n'
    (work / "qguard.toml").write_text(f"version = 1\n[[paths]]\n{entry}")
    data = leaky(github_token())
    commit(git, work, "courses/a.ipynb", data)
    assert qguard("scan", "--commits", f"{first}..HEAD").returncode == 0
    commit(git, work, "elsewhere.ipynb", data)
    done = qguard("scan", "--commits", f"{first}..HEAD", "--format", "json")
    assert found(done) == {"elsewhere.ipynb"}


def test_a_merge_brings_in_what_is_new_in_it_alone(qguard: Run, work: Path, git: Git) -> None:
    commit(git, work, "a.ipynb", leaky(github_token()), "on the remote already")
    git("checkout", "-q", "-b", "side")
    commit(git, work, "side.ipynb", CLEAN)
    git("checkout", "-q", "main")
    base = commit(git, work, "main.ipynb", leaky(github_token()), "on the remote too")
    git("checkout", "-q", "side")
    git("merge", "-q", "--no-commit", "main")
    (work / "evil.ipynb").write_bytes(leaky(github_token()))
    git("add", ".")
    git("commit", "-qm", "merge")
    done = qguard("scan", "--commits", f"{base}..side", "--format", "json")
    assert (found(done), "side.ipynb" in judged(done)) == ({"evil.ipynb"}, True)


def test_links_and_submodules_hold_no_content(qguard: Run, work: Path, git: Git) -> None:
    first = commit(git, work, "a.ipynb", CLEAN)
    (work / "link.ipynb").symlink_to("a.ipynb")
    git("update-index", "--add", "--cacheinfo", f"160000,{first},inner")
    git("add", "link.ipynb")
    git("commit", "-qm", "two")
    done = qguard("scan", "--commits", f"{first}..HEAD", "--format", "json")
    assert (done.returncode, judged(done)) == (0, {"(message)"})


@pytest.fixture
def remote(git: Git, tmp_path: Path) -> Path:
    folder = tmp_path / "remote.git"
    git("init", "-q", "--bare", "-b", "main", str(folder))
    git("remote", "add", "origin", str(folder))
    return folder


def test_a_push_is_judged_by_what_the_remote_lacks(qguard: Run, work: Path, git: Git, remote: Path) -> None:
    def pushing(*lines: str) -> subprocess.CompletedProcess[bytes]:
        text = "".join(f"{line}\n" for line in lines).encode()
        return qguard("scan", "--push", "origin", "--format", "json", input=text)

    old = commit(git, work, "old.ipynb", leaky(github_token()))
    done = pushing(f"refs/heads/main {old} refs/heads/main {ZEROS}")
    assert (done.returncode, found(done)) == (1, {"old.ipynb"})
    git("push", "-q", "origin", "main")
    new = commit(git, work, "new.ipynb", CLEAN)
    done = pushing(f"refs/heads/main {new} refs/heads/main {old}")
    assert (done.returncode, judged(done)) == (0, {"(message)", "new.ipynb"})
    done = pushing(f"refs/heads/topic {new} refs/heads/topic {ZEROS}")
    assert (done.returncode, judged(done)) == (0, {"(message)", "new.ipynb"}), "known by the remote's other branch"
    done = pushing(f"refs/heads/main {new} refs/heads/main {'1' * 40}")
    assert done.returncode == 0, "a commit of the remote that is not here tells nothing"
    assert pushing(f"(delete) {ZEROS} refs/heads/main {old}").returncode == 0
    assert pushing().returncode == 0
    bad = commit(git, work, "bad.ipynb", leaky(github_token()))
    assert pushing(f"(delete) {ZEROS} refs/heads/x {old}", f"b {bad} refs/heads/b {ZEROS}").returncode == 1


def test_bad_input_is_one_sentence(qguard: Run, work: Path, git: Git, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    for done in (
        qguard("scan", "--commits", "no-such-branch..HEAD"),
        qguard("scan", "--commits", "--output=x"),
        qguard("scan", "--commits", ""),
        qguard("scan", "--commits", "HEAD"),
        qguard("scan", "--commits", "HEAD", "a.ipynb"),
        qguard("scan", "--commits", "HEAD", "--staged"),
        qguard("scan", "--commits", "HEAD", cwd=tmp_path / "none"),
        qguard("scan", "--push", "origin", input=b"not what git says\n" * 2),
        qguard("scan", "--push", "origin", input=f"a {'2' * 40} b {ZEROS}\n".encode()),
    ):
        assert (done.returncode, done.stdout) == (2, b"")
        assert done.stderr.count(b"\n") == 1


def test_a_bare_repository_is_judged_too(qguard: Run, work: Path, git: Git, remote: Path) -> None:
    commit(git, work, "a.ipynb", leaky(github_token()))
    git("push", "-q", "origin", "main")
    assert qguard("scan", "--commits", "main", cwd=remote).returncode == 1
