"""The hooks as people use them: by pre-commit itself, from a clone of this project at a commit."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import ROOT
from tests.git.conftest import Git, code_cell, github_token, leaky, notebook

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(600)]
PreCommit = Callable[..., subprocess.CompletedProcess[str]]
MARKER = re.compile(rb"\[REDACTED:[a-z0-9-]+:[0-9a-f]{8}\]")


def plain_env(home: Path) -> dict[str, str]:
    """Return the machine's environment without what would lead to this checkout; pip's own settings stay."""
    dropped = ("PYTHON", "VIRTUAL_ENV", "GIT_", "PRE_COMMIT", "QGUARD_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    certificates = {name: os.environ[name] for name in ("GIT_SSL_CAINFO",) if name in os.environ}
    author = {f"GIT_{who}_{what}": "t@example.invalid" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return kept | certificates | author | {"HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1", "QGUARD_KEEP": "file"}


def run(*command: str, cwd: Path, env: dict[str, str]) -> str:
    done = subprocess.run(
        command, cwd=cwd, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return a repository with this project's files as its one commit, and that commit."""
    home, source = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("upstream")
    env = plain_env(home)
    listed = run("git", "ls-files", "-co", "--exclude-standard", cwd=ROOT, env=env).splitlines()
    run("git", "init", "-q", "-b", "main", cwd=source, env=env)
    for name in listed:
        if (ROOT / name).is_file():
            target = source / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    run("git", "add", "-A", cwd=source, env=env)
    run("git", "commit", "-qm", "all of it", cwd=source, env=env)
    return source, run("git", "rev-parse", "HEAD", cwd=source, env=env).strip()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, upstream: tuple[Path, str]) -> Iterator[Path]:
    """Let pre-commit install the hooks' environment, once, by the command that does not set PRE_COMMIT."""
    folder, project = tmp_path_factory.mktemp("store"), tmp_path_factory.mktemp("project")
    env = plain_env(tmp_path_factory.mktemp("home")) | {"PRE_COMMIT_HOME": str(folder)}
    run("git", "init", "-q", cwd=project, env=env)
    write_config(project, upstream, "qguard-scan")
    run(sys.executable, "-m", "pre_commit", "install-hooks", cwd=project, env=env)
    return folder


def write_config(project: Path, upstream: tuple[Path, str], *hooks: str) -> None:
    source, revision = upstream
    listed = "".join(f"  - id: {hook}\n" for hook in hooks)
    text = f"repos:\n- repo: {source.as_uri()}\n  rev: {revision}\n  hooks:\n{listed}"
    (project / ".pre-commit-config.yaml").write_text(text)


@pytest.fixture
def pre_commit(store: Path, home: Path, work: Path, git: Git) -> PreCommit:
    """Run pre-commit in ``work``, and let its installed hook find the same store."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pre_commit", *arguments],
            cwd=work,
            env=plain_env(home) | {"PRE_COMMIT_HOME": str(store)},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )

    return run


def test_the_first_run_builds_no_lab_bundle(store: Path) -> None:
    [clone] = [folder for folder in store.iterdir() if (folder / "hatch_build.py").is_file()]
    assert [name for name in ("node_modules", "lib", "jupyter_qguard/labextension") if (clone / name).exists()] == []
    [environment] = clone.glob("py_env-*")
    assert not list(environment.rglob("labextensions/jupyter-qguard"))
    assert list(environment.rglob("bin/qguard")) or list(environment.rglob("Scripts/qguard.exe"))


def test_scan_refuses_and_then_lets_pass(
    pre_commit: PreCommit, work: Path, git: Git, upstream: tuple[Path, str], store: Path, home: Path
) -> None:
    write_config(work, upstream, "qguard-scan")
    assert pre_commit("install").returncode == 0
    token = github_token()
    (work / "a.ipynb").write_bytes(leaky(token))
    (work / "naïve notes.txt").write_text("nothing\n")
    git("add", ".")
    extra = plain_env(home) | {"PRE_COMMIT_HOME": str(store)}
    refused = git("commit", "-m", "one", extra=extra, check=False)
    assert refused.returncode == 1
    assert "a.ipynb" in refused.stdout + refused.stderr
    assert "github-token" in refused.stdout + refused.stderr
    assert token[4:12] not in refused.stdout + refused.stderr
    (work / "a.ipynb").write_bytes(notebook(code_cell("token = input()")))
    git("add", ".")
    git("commit", "-m", "one", extra=extra)
    assert git("log", "--oneline").stdout.count("\n") == 1


def test_scan_reads_what_is_staged_even_where_a_filter_cleaned_it(
    pre_commit: PreCommit, work: Path, git: Git, upstream: tuple[Path, str]
) -> None:
    write_config(work, upstream, "qguard-scan")
    token = github_token()
    (work / "a.ipynb").write_bytes(leaky(token))
    git("add", ".")
    (work / "a.ipynb").write_bytes(notebook(code_cell("clean in the work tree")))
    assert pre_commit("run").returncode == 1
    git("config", "filter.wipe.clean", f"sed s/{token}/gone/")
    (work / ".gitattributes").write_text("*.ipynb filter=wipe\n")
    (work / "a.ipynb").write_bytes(leaky(token))
    git("add", ".")
    done = pre_commit("run")
    assert done.returncode == 0, done.stdout
    assert token.encode() in (work / "a.ipynb").read_bytes()


def test_scan_of_all_files_judges_them(pre_commit: PreCommit, work: Path, git: Git, upstream: tuple[Path, str]) -> None:
    write_config(work, upstream, "qguard-scan")
    (work / "a.ipynb").write_bytes(leaky(github_token()))
    git("add", ".")
    git("commit", "-qm", "one")
    done = pre_commit("run", "--all-files")
    assert done.returncode == 1
    assert "a.ipynb" in done.stdout


def test_redact_changes_the_file_keeps_the_value_and_fails_once(
    pre_commit: PreCommit, work: Path, git: Git, upstream: tuple[Path, str], home: Path
) -> None:
    write_config(work, upstream, "qguard-redact", "qguard-scan")
    token = github_token()
    (work / "a.ipynb").write_bytes(leaky(token))
    git("add", ".")
    first = pre_commit("run")
    assert first.returncode == 1
    assert "files were modified by this hook" in first.stdout
    assert token[4:12] not in first.stdout
    assert MARKER.search((work / "a.ipynb").read_bytes())
    [kept] = home.rglob("kept")
    assert list(kept.iterdir())
    git("add", ".")
    second = pre_commit("run")
    assert second.returncode == 0, second.stdout
