"""docs/getting-started.md, word for word: its shell blocks are run one after the other in one shell in a fresh folder.

After a block the page may promise an exit code ("exit code 1", else 0 is promised) and show lines of output, where
"…" stands for anything. Both are held.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.conftest import ROOT

PAGE = (ROOT / "docs" / "getting-started.md").read_text("utf-8")
BLOCK = re.compile(r"^```(bash|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass
class Step:
    """One shell block, what the page promises of it, and what came of it."""

    script: str
    code: int
    lines: list[str]
    done: subprocess.CompletedProcess[str] | None = None


def steps() -> list[Step]:
    """Return the shell blocks of the section about a project."""
    section = PAGE.split("\n## In a project\n")[1].split("\n## ")[0]
    found: list[Step] = []
    end = 0
    for match in BLOCK.finditer(section):
        if match[1] == "bash":
            if found:
                found[-1].code = promised(section[end : match.start()])
            found.append(Step(match[2], 0, []))
            end = match.end()
        else:
            found[-1].lines = match[2].splitlines()
    return found


def promised(text: str) -> int:
    said = re.search(r"\(exit code (\d)\)", text)
    return int(said[1]) if said else 0


def run(script: str, cwd: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run one block as a person does who pastes it line by line: a line that fails does not stop the next."""
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-c", script],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=100,
    )


@pytest.fixture
def walked(work: Path, env: dict[str, str]) -> list[Step]:
    """Return the steps after they were run; the folder that a block changes to is where the next one starts."""
    where = work
    note = work / "where"
    walk = steps()
    for step in walk:
        step.done = run(f"trap 'pwd >\"{note}\"' EXIT\n{step.script}", where, env | {"USER": "ada"})
        where = Path(note.read_text().strip())
    return walk


def test_the_page_keeps_its_promises(walked: list[Step], work: Path, home: Path) -> None:
    assert [step.code for step in walked] == [0, 1, 0, 1, 0, 0], "a refused commit, a mended one, an exception"
    for step in walked:
        assert step.done is not None
        output = step.done.stdout
        assert step.done.returncode == step.code, f"{step.script}\n{output}"
        for line in step.lines:
            pattern = re.escape(line).replace("…", ".*")
            assert re.search(rf"^\s*{pattern}\s*$", output, re.MULTILINE), f"{line!r} is not in:\n{output}"
    everything = "".join(step.done.stdout for step in walked if step.done)
    assert not re.search(r"DEV-[0-9a-f]{40}", everything), "a token is shown"
    project = work / "qguard-tour"
    assert "DEV-" not in (project / "experiment.ipynb").read_text()


def test_a_token_gets_into_git_only_where_accepted(walked: list[Step], work: Path, env: dict[str, str]) -> None:
    project = work / "qguard-tour"
    history = run("git log -p --all", project, env).stdout
    [accepted] = set(re.findall(r"DEV-[0-9a-f]{40}", history))
    assert accepted in (project / "lesson.ipynb").read_text()
    assert accepted[4:12] not in (project / ".qguard-baseline.toml").read_text()
    assert run("git status --porcelain", project, env).stdout == ""
