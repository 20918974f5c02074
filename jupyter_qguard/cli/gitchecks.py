"""What ``qguard doctor`` checks of a repository: is the filter whole, and do the hooks that are configured run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from jupyter_qguard.cli import gitcall, githooks, precommit
from jupyter_qguard.cli.checks import Found
from jupyter_qguard.cli.init import FILTER, filter_of_notebooks
from jupyter_qguard.cli.names import shown

_TURN_ON = "Run: qguard init --yes"


def repository(env: Mapping[str, str], root: Path) -> Iterator[Found]:
    """Check the repository that holds ``root``; says nothing where there is none, or no git."""
    if shutil.which("git", path=env.get("PATH")) is None:
        return
    asked = gitcall.attempt(root, "rev-parse", "--show-toplevel")
    if asked.returncode != 0:
        return
    top = Path(os.fsdecode(asked.stdout.rstrip(b"\n")))
    yield from _filter(env, top)
    yield from _hooks(top)
    yield from _skipped(top)


def _filter(env: Mapping[str, str], top: Path) -> Iterator[Found]:
    listed = filter_of_notebooks(top) == "qguard"
    values = {name: _setting(top, f"filter.qguard.{name}") for name in FILTER}
    there = any(values[name] for name in ("process", "clean"))
    if not listed and not there:
        return
    if not there:
        text = "notebooks are meant to go through it, but this clone does not have it: they enter git as they are."
        yield Found("mend", "git filter", text, _TURN_ON)
    elif shutil.which("qguard", path=env.get("PATH")) is None:
        fix = "Install it where git finds it, for instance with pipx."
        yield Found("mend", "git filter", "`qguard` is not on the PATH, so `git add` of a notebook fails.", fix)
    elif not listed:
        yield Found("mend", "git filter", "it is set up, but .gitattributes sends no notebook through it.", _TURN_ON)
    elif values["required"] not in ("true", "1", "yes", "on"):
        text = "it is not required, so what it cannot judge enters git as it is."
        yield Found("mend", "git filter", text, "Run: git config filter.qguard.required true")
    elif values != FILTER:
        yield Found("mend", "git filter", "its settings are not this version's.", _TURN_ON)
    else:
        yield Found("ok", "git filter", "notebooks enter git redacted, values are kept first")


def _hooks(top: Path) -> Iterator[Found]:
    common = gitcall.common_dir(top)
    own = common / "hooks"
    used = top / os.fsdecode(gitcall.run(top, "rev-parse", "--git-path", "hooks").rstrip(b"\n"))
    if githooks.is_ours(used / "pre-commit"):
        yield Found("ok", "git hooks", f"{shown(used)}: commits and pushes are judged")
        return
    others = [Path(os.path.expanduser(one)) for one in _settings(top, "core.hooksPath")]  # noqa: PTH111
    teams = [folder for folder in others if githooks.is_ours(folder / "pre-commit")]
    if teams:
        text = f"core.hooksPath leads to {shown(used)} here, so the team's hooks in {shown(teams[0])} do not run."
        yield Found("mend", "git hooks", text, "Run: git config --unset core.hooksPath (they run your own as well)")
        return
    config = top / ".pre-commit-config.yaml"
    try:
        wanted = precommit.present(config.read_text("utf-8"))
    except (OSError, ValueError):
        return
    if not wanted:
        return
    if _runs_pre_commit(used / "pre-commit"):
        yield Found("ok", "git hooks", "pre-commit judges what is committed")
    elif used.resolve() != own.resolve():
        text = f"core.hooksPath leads to {shown(used)}, where no hook runs pre-commit: its qguard entry does nothing."
        yield Found("mend", "git hooks", text, "Unset core.hooksPath and run pre-commit install, or: qguard git hooks")
    else:
        text = ".pre-commit-config.yaml has the qguard entry, but pre-commit is not installed in this clone."
        yield Found("mend", "git hooks", text, "Run: pre-commit install")


def _runs_pre_commit(hook: Path) -> bool:
    """Return whether a hook is there that runs pre-commit, or may: somebody's own script is not read for sense."""
    try:
        return os.access(hook, os.X_OK) and (b"pre-commit" in hook.read_bytes() or b"pre_commit" in hook.read_bytes())
    except OSError:
        return False


def _skipped(top: Path) -> Iterator[Found]:
    log = gitcall.common_dir(top) / "qguard-skipped.log"
    try:
        count = len(log.read_bytes().splitlines())
    except OSError:
        return
    text = f"{count} commit(s) or push(es) went through where qguard was missing ({shown(log)})."
    yield Found("note", "git hooks", text, "qguard scan --commits HEAD judges all of them; then remove that file.")


def _settings(top: Path, name: str) -> list[str]:
    done = gitcall.attempt(top, "config", "--get-all", name)
    return os.fsdecode(done.stdout).splitlines() if done.returncode == 0 else []


def _setting(top: Path, name: str) -> str | None:
    return next(reversed(_settings(top, name)), None)
