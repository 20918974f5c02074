"""The folder of hooks for ``core.hooksPath``, run by git itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_qguard.cli.githooks import NAMES
from tests.cli.conftest import Run
from tests.git.conftest import Git, code_cell, github_token, leaky, notebook

CLEAN = notebook(code_cell("x = 1"))
Put = Callable[..., None]


@pytest.fixture
def folder(qguard: Run, git: Git, tmp_path: Path) -> Path:
    """A folder of hooks, with a space in its name, that git uses for ``work``."""
    folder = tmp_path / "team hooks"
    done = qguard("git", "hooks", str(folder))
    assert done.returncode == 0, done.stderr
    git("config", "--global", "core.hooksPath", str(folder))
    return folder


@pytest.fixture
def own(work: Path) -> Put:
    """Write one of the repository's own hooks; each adds its name and arguments to ``trace``."""

    def put(name: str, body: str = "", where: Path | None = None) -> None:
        target = (where or work / ".git" / "hooks") / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(f'#!/bin/sh\necho "{name} $*" >>"{work}/.git/trace"\n{body}\n')
        target.chmod(0o755)

    return put


def trace(work: Path) -> list[str]:
    file = work / ".git" / "trace"
    return file.read_text().splitlines() if file.exists() else []


def stage(git: Git, work: Path, data: bytes, name: str = "a.ipynb") -> None:
    (work / name).write_bytes(data)
    git("add", name)


def without_qguard(env: dict[str, str], folder: Path, tmp_path: Path) -> dict[str, str]:
    """Return a PATH with what a shell script needs and no qguard; the scripts forget the interpreter they know."""
    programs = tmp_path / "few programs"
    programs.mkdir()
    for name in ("sh", "git", "dirname", "cat", "date", "sed"):
        (programs / name).symlink_to(shutil.which(name) or name)
    for name in NAMES:
        script = folder / name
        lines = ["PYTHON=" if line.startswith("PYTHON=") else line for line in script.read_text().splitlines()]
        script.write_text("\n".join(lines) + "\n")
    return {"PATH": str(programs)}


def test_a_commit_is_judged_by_what_is_staged(folder: Path, work: Path, git: Git) -> None:
    token = github_token()
    stage(git, work, leaky(token))
    (work / "a.ipynb").write_bytes(CLEAN)
    refused = git("commit", "-qm", "one", check=False)
    assert refused.returncode == 1
    assert "a.ipynb" in refused.stderr
    assert "nothing was committed" in refused.stderr
    assert token[4:12] not in refused.stderr
    git("commit", "-qam", "one")
    (work / "a.ipynb").write_bytes(leaky(token))
    assert git("commit", "-qam", "two", check=False).returncode == 1
    assert git("commit", "-qm", "two", "a.ipynb", check=False).returncode == 1
    (work / "b.txt").write_text("harmless\n")
    git("add", "-A")
    git("commit", "-qm", "only the harmless one", "b.txt")
    assert git("log", "--format=%s").stdout == "only the harmless one\none\n"


def test_the_repositorys_own_hooks_still_run(folder: Path, work: Path, git: Git, own: Put) -> None:
    own("pre-commit", f"printf '{'x'}' >own.txt && git add own.txt")
    own("commit-msg", 'echo " (signed)" >>"$1"')
    own("post-commit")
    own("post-checkout")
    stage(git, work, CLEAN)
    git("commit", "-qm", "one")
    git("checkout", "-q", "-b", "other")
    assert [line.split()[0] for line in trace(work)] == ["pre-commit", "commit-msg", "post-commit", "post-checkout"]
    assert git("show", "HEAD:own.txt").stdout == "x"
    assert "(signed)" in git("log", "-1", "--format=%B").stdout
    own("pre-commit", "exit 7")
    stage(git, work, CLEAN + b"\n")
    assert git("commit", "-qm", "two", check=False).returncode == 1


def test_what_an_own_hook_stages_is_judged(folder: Path, work: Path, git: Git, own: Put) -> None:
    (work / ".git" / "planted").write_bytes(leaky(github_token()))
    own("pre-commit", "cp .git/planted b.ipynb && git add b.ipynb")
    stage(git, work, CLEAN)
    assert git("commit", "-qm", "one", check=False).returncode == 1


def test_hooks_of_another_hooks_folder_still_run(folder: Path, work: Path, git: Git, own: Put) -> None:
    """A Hub sets core.hooksPath by the environment, which wins over what husky writes into the repository."""
    own("pre-commit", "", work / ".hus ky")
    git("config", "core.hooksPath", ".hus ky")
    forced = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.hooksPath", "GIT_CONFIG_VALUE_0": str(folder)}
    stage(git, work, leaky(github_token()))
    assert git("commit", "-qm", "one", extra=forced, check=False).returncode == 1
    stage(git, work, CLEAN)
    git("commit", "-qm", "one", extra=forced)
    assert trace(work) == ["pre-commit ", "pre-commit "]


@pytest.fixture
def remote(git: Git, tmp_path: Path) -> Path:
    path = tmp_path / "remote.git"
    git("init", "-q", "--bare", "-b", "main", str(path))
    git("remote", "add", "origin", str(path))
    return path


def test_a_push_of_what_was_committed_around_the_hook_is_refused(
    folder: Path, work: Path, git: Git, own: Put, remote: Path
) -> None:
    own("pre-push", f'cat >>"{work}/.git/trace"')
    stage(git, work, CLEAN)
    git("commit", "-qm", "one")
    git("push", "-q", "origin", "main")
    assert trace(work)[0].startswith("pre-push origin ")
    assert trace(work)[1].startswith("refs/heads/main ")
    stage(git, work, leaky(github_token()))
    git("commit", "-qm", "around", "--no-verify")
    stage(git, work, CLEAN)
    git("commit", "-qm", "and away again")
    refused = git("push", "-q", "origin", "main", check=False)
    assert refused.returncode == 1
    assert "nothing was pushed" in refused.stderr
    assert len(trace(work)) == 2, "a hook that uploads must not run before"
    git("reset", "-q", "--soft", "HEAD~2")
    stage(git, work, notebook(code_cell("x = 2")))
    git("commit", "-qm", "two")
    git("push", "-q", "origin", "main")
    git("push", "-q", "origin", "main")
    git("push", "-q", "origin", "--delete", "main", check=False)
    assert git("log", "--format=%s", "main", cwd=remote).stdout == "two\none\n"


def test_patches_are_judged_when_they_are_applied(folder: Path, work: Path, git: Git) -> None:
    stage(git, work, CLEAN)
    git("commit", "-qm", "one")
    stage(git, work, leaky(github_token()))
    git("commit", "-qm", "two", "--no-verify")
    patch = git("format-patch", "-1", "--stdout").stdout
    git("reset", "-q", "--hard", "HEAD~1")
    (work / ".git" / "patch").write_text(patch)
    assert git("am", "-q", ".git/patch", check=False).returncode != 0
    assert git("log", "--format=%s").stdout == "one\n"


def test_a_linked_work_tree_is_judged(folder: Path, work: Path, git: Git, own: Put, tmp_path: Path) -> None:
    stage(git, work, CLEAN)
    git("commit", "-qm", "one")
    own("pre-commit")
    linked = tmp_path / "linked"
    git("worktree", "add", "-q", str(linked), "-b", "side")
    (linked / "b.ipynb").write_bytes(leaky(github_token()))
    git("add", ".", cwd=linked)
    assert git("commit", "-qm", "two", cwd=linked, check=False).returncode == 1
    assert trace(work) == ["pre-commit "]


def test_without_qguard_nothing_is_committed_unless_on_record(
    folder: Path, work: Path, git: Git, env: dict[str, str], tmp_path: Path
) -> None:
    missing = without_qguard(env, folder, tmp_path)
    stage(git, work, CLEAN)
    refused = git("commit", "-qm", "one", extra=missing, check=False)
    assert refused.returncode == 1
    assert "not installed here" in refused.stderr
    assert "QGUARD_SKIP" in refused.stderr
    git("commit", "-qm", "one", extra=missing | {"QGUARD_SKIP": "new machine"})
    [line] = (work / ".git" / "qguard-skipped.log").read_text().splitlines()
    assert line.endswith("pre-commit: new machine")


def test_a_policy_that_cannot_be_used_refuses(folder: Path, work: Path, git: Git) -> None:
    (work / "qguard.toml").write_text("version = 7\n")
    stage(git, work, CLEAN)
    assert git("commit", "-qm", "one", check=False).returncode == 1


def test_the_folder_is_written_for_everyone_and_nothing_is_replaced(
    qguard: Run, folder: Path, work: Path, git: Git, tmp_path: Path
) -> None:
    assert {path.name for path in folder.iterdir()} == set(NAMES)
    assert all(os.access(path, os.X_OK) for path in folder.iterdir())
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert qguard("git", "hooks", str(folder)).returncode == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "pre-push").write_text("#!/bin/sh\n")
    for target in (mine, work / ".git" / "hooks", mine / "pre-push"):
        done = qguard("git", "hooks", str(target))
        assert (done.returncode, done.stdout) == (2, b"")
        assert done.stderr.count(b"\n") == 1
    assert [path.name for path in mine.iterdir()] == ["pre-push"]


@pytest.mark.parametrize("name", ["pre-commit", "pre-push"])
def test_the_scripts_are_plain_sh(folder: Path, name: str) -> None:
    assert subprocess.run(["sh", "-n", str(folder / name)], check=False).returncode == 0
    text = (folder / name).read_text()
    assert "[[" not in text
    assert "@PYTHON@" not in text


def test_switched_off_passes_on_record(folder: Path, work: Path, git: Git, qguard: Run, home: Path) -> None:
    token = github_token()
    stage(git, work, leaky(token))
    done = git("commit", "-qm", "one", extra={"QGUARD_MODE": "off"})
    assert "this bypass is recorded" in done.stderr
    assert git("log", "--format=%s").stdout == "one\n"
    recorded = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert b"mode off" in recorded
    assert token.encode() not in recorded
    assert json.loads(qguard("kept", "list", "--format", "json").stdout) == []
