"""The commands of the CI files, run as they stand: taken out of the YAML, in a clean and in a dirty repository."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from tests.cli.conftest import ROOT
from tests.git.conftest import Git, code_cell, github_token, leaky, notebook

ACTION = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
WORKFLOW = yaml.safe_load((ROOT / "docs" / "ci" / "github.yml").read_text("utf-8"))
GITLAB = yaml.safe_load((ROOT / "docs" / "ci" / "gitlab-ci.yml").read_text("utf-8"))
CLEAN = notebook(code_cell("x = 1"))
Act = Callable[..., subprocess.CompletedProcess[str]]


def bash(script: str, cwd: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a script the way GitHub and GitLab run theirs: it stops at the first command that fails."""
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=100)


@pytest.fixture
def act(work: Path, git: Git, env: dict[str, str], tmp_path: Path) -> Act:
    """Run every step of the action with these inputs; the result is that of the last."""

    def run(**inputs: str) -> subprocess.CompletedProcess[str]:
        values = {name: str(entry["default"]) for name, entry in ACTION["inputs"].items()} | inputs
        paths = {f"GITHUB_{name}": str(tmp_path / name) for name in ("PATH", "STEP_SUMMARY", "OUTPUT")}
        base = env | paths | {"RUNNER_TEMP": str(tmp_path / "runner"), "GITHUB_ACTIONS": "true"}
        for step in ACTION["runs"]["steps"]:
            extra = {}
            for name, value in step["env"].items():
                known = {f"inputs.{key}": item for key, item in values.items()} | {"github.action_path": "/nowhere"}
                extra[name] = re.sub(r"\$\{\{ (\S+) \}\}", lambda match, known=known: known[match[1]], str(value))
            done = bash(step["run"], work, base | extra)
            if done.returncode:
                break
        return done

    return run


def commit(git: Git, work: Path, data: bytes, name: str = "a.ipynb") -> str:
    (work / name).write_bytes(data)
    git("add", "-A")
    git("commit", "-qm", "m")
    return git("rev-parse", "HEAD").stdout.strip()


def test_the_action_passes_a_clean_repository(act: Act, work: Path, git: Git) -> None:
    first = commit(git, work, CLEAN)
    commit(git, work, CLEAN, "b.ipynb")
    done = act(commits=f"{first}..HEAD", sarif="out.sarif")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (work / "out.sarif").stat().st_size > 0
    assert "::error" not in done.stdout


def test_the_action_fails_a_dirty_one_and_quotes_nothing(act: Act, work: Path, git: Git) -> None:
    token = github_token()
    commit(git, work, leaky(token))
    done = act(sarif="out.sarif")
    assert done.returncode == 1
    assert "::error file=a.ipynb" in done.stdout
    written = done.stdout + done.stderr + (work / "out.sarif").read_text()
    assert token[4:12] not in written


def test_the_action_finds_what_a_later_commit_removed(act: Act, work: Path, git: Git) -> None:
    first = commit(git, work, CLEAN)
    commit(git, work, leaky(github_token()))
    commit(git, work, CLEAN)
    assert act().returncode == 0
    assert act(commits=f"{first}..HEAD").returncode == 1


def test_the_action_judges_what_is_named_and_fails_for_what_it_cannot(act: Act, work: Path, git: Git) -> None:
    (work / "with space").mkdir()
    commit(git, work, leaky(github_token()), "with space/a.ipynb")
    commit(git, work, CLEAN, "b.ipynb")
    assert act(paths="b.ipynb\n").returncode == 0
    assert act(paths="b.ipynb\nwith space\n").returncode == 1
    assert act(paths="nowhere").returncode == 2
    assert act(paths="").returncode == 2
    assert act(commits="nowhere..HEAD", paths="with space").returncode == 2
    odd = act(paths="$(touch injected); `touch injected`")
    assert odd.returncode == 2
    assert not (work / "injected").exists()


def test_no_input_is_pasted_into_a_script() -> None:
    assert [step["name"] for step in ACTION["runs"]["steps"] if "${{" in step["run"]] == []


def test_the_workflow_asks_for_little() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert "pull_request_target" not in WORKFLOW[True]  # YAML reads `on` as true
    steps: list[dict[str, Any]] = WORKFLOW["jobs"]["qguard"]["steps"]
    assert set(steps[1]["with"]) <= set(ACTION["inputs"])
    assert re.fullmatch(r"actions/checkout@[0-9a-f]{40}", steps[0]["uses"])
    assert steps[0]["with"]["persist-credentials"] is False
    assert "secrets." not in (ROOT / "docs" / "ci" / "github.yml").read_text("utf-8")


@pytest.mark.parametrize(("dirty", "code"), [(False, 0), (True, 1)])
def test_the_gitlab_job(work: Path, git: Git, env: dict[str, str], dirty: bool, code: int) -> None:
    token = github_token()
    first = commit(git, work, CLEAN)
    commit(git, work, leaky(token) if dirty else CLEAN, "b.ipynb")
    job = GITLAB["qguard"]
    script = "\n".join([*job["before_script"], *job["script"]])
    done = bash(script, work, env | job["variables"] | {"CI_MERGE_REQUEST_DIFF_BASE_SHA": first})
    assert done.returncode == code, done.stdout + done.stderr
    suites = ElementTree.parse(work / job["artifacts"]["reports"]["junit"]).getroot()
    assert bool(list(suites.iter("failure"))) is dirty
    assert token[4:12] not in done.stdout + done.stderr + ElementTree.tostring(suites, "unicode")


def test_the_gitlab_job_judges_the_commits_of_a_merge_request(work: Path, git: Git, env: dict[str, str]) -> None:
    first = commit(git, work, CLEAN)
    commit(git, work, leaky(github_token()))
    commit(git, work, CLEAN)
    script = "\n".join(GITLAB["qguard"]["script"])
    assert bash(script, work, env).returncode == 0
    assert bash(script, work, env | {"CI_MERGE_REQUEST_DIFF_BASE_SHA": first}).returncode == 1
