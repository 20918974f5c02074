"""``qguard init``: set a project up, never overwriting anything, the same however often it is run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import click

from jupyter_qguard.cli import exits, precommit
from jupyter_qguard.cli.files import root_of
from jupyter_qguard.cli.names import harmless, shown
from jupyter_qguard.cli.output import write_atomically
from jupyter_qguard.errors import InputError

FILTER = {
    "process": "qguard git filter",
    "clean": "qguard git filter -- %f",
    "smudge": "cat",
    "required": "true",
}
"""One process for any number of files; ``clean`` and ``smudge`` are for programs that know no filter processes.

``required``: if the filter fails git must not take the unfiltered file instead. git quotes ``%f`` itself.
"""
BEFORE = {"clean": ("qguard redact - --path %f",)}
"""Our own earlier settings, which are replaced."""
ATTRIBUTE = "*.[iI][pP][yY][nN][bB] filter=qguard"


@click.command("init", short_help="Set a project up: policy, pre-commit entry and (asked) git filter.")
@click.option("--yes", is_flag=True, help="Set the git filter up without asking.")
@click.option("--no-filter", is_flag=True, help="Do not set the git filter up, and do not ask.")
@click.option("--no-pre-commit", is_flag=True, help="Leave .pre-commit-config.yaml alone.")
def command(yes: bool, no_filter: bool, no_pre_commit: bool) -> int:
    """Set a project up: policy, pre-commit entry and (asked) git filter.

    The project is the repository that holds the current folder, else the folder itself. Nothing
    is overwritten; what is there already is left as it is.
    """
    if yes and no_filter:
        raise exits.UsageError("--yes and --no-filter exclude one another.", "Use one of them.")
    cwd = Path.cwd()
    root = root_of(cwd, cwd)
    code = exits.CLEAN
    for step in (_policy,) if no_pre_commit else (_policy, _precommit):
        try:
            click.echo(step(root))
        except InputError as error:
            exits.say(f"qguard: {error.sentence()}")
            code = exits.FAILED
    return code if no_filter else max(code, _filter(root, yes))


def _policy(root: Path) -> str:
    target, project = root / "qguard.toml", root / "pyproject.toml"
    if os.path.lexists(target):
        return f"{shown(target)}: there already, left as it is."
    if _in_pyproject(project):
        return f"{shown(project)}: has [tool.qguard] already, so no qguard.toml was written."
    from jupyter_qguard.settings import starter_policy

    write_atomically(target, starter_policy().encode())
    return f"{shown(target)}: written; every line in it is the default, change what should differ."


def _in_pyproject(project: Path) -> bool:
    try:
        return "qguard" in tomllib.loads(project.read_text("utf-8")).get("tool", {})
    except (OSError, ValueError):
        return False


def _precommit(root: Path) -> str:
    target = root / ".pre-commit-config.yaml"
    try:
        text = target.read_text("utf-8") if target.exists() else None
    except (OSError, ValueError):
        raise InputError(f"{shown(target)} could not be read.", "Check its permissions and encoding.") from None
    if text is None:
        write_atomically(target, ("repos:\n" + precommit.ENTRY).encode())
        return f"{shown(target)}: written; {_turned_on(root)}"
    if precommit.present(text):
        return f"{shown(target)}: has the qguard hook already, left as it is."
    write_atomically(target, precommit.with_entry(text).encode())
    return f"{shown(target)}: qguard hook added after what was there; {_turned_on(root)}"


def _turned_on(root: Path) -> str:
    """Return how the hook comes to run here. pre-commit refuses to install where git looks elsewhere for hooks."""
    elsewhere = _git(root, "config", "--get", "core.hooksPath", check=False) if (root / ".git").exists() else None
    if elsewhere:
        where = harmless(elsewhere.strip())
        return f"git takes its hooks from {where} here (core.hooksPath), so it does not run by itself."
    return "`pre-commit install` turns it on."


def _filter(root: Path, yes: bool) -> int:
    if not (root / ".git").exists():
        click.echo("git filter: not set up, because this is no git repository.")
        return exits.CLEAN
    attributes = root / ".gitattributes"
    before = attributes.read_bytes() if attributes.exists() else b""
    listed = _listed(before)
    configured = {name: _config(root, f"filter.qguard.{name}") for name in FILTER}
    if listed and configured == FILTER:
        click.echo("git filter: set up already, left as it is.")
        return exits.CLEAN
    if not yes and not _agreed():
        return exits.CLEAN
    other = filter_of_notebooks(root)
    if other not in ("", "qguard"):
        exits.say(
            f"qguard: git filter: notebooks go through the filter {other} already, and git runs one filter per file. "
            "Take that line out of .gitattributes (or .git/info/attributes) and run `qguard init --yes` again."
        )
        return exits.FAILED
    foreign = [name for name, value in configured.items() if value not in (None, FILTER[name], *BEFORE.get(name, ()))]
    if foreign:
        exits.say(
            f"qguard: git filter: filter.qguard.{foreign[0]} is set to something else already and was left as it is. "
            f"Unset it (git config --unset filter.qguard.{foreign[0]}) and run `qguard init --yes` again."
        )
        return exits.FAILED
    for name, value in FILTER.items():
        if configured[name] != value:
            _git(root, "config", "--local", f"filter.qguard.{name}", value)
    if not listed:
        gap = b"" if not before or before.endswith(b"\n") else b"\n"
        write_atomically(attributes, before + gap + ATTRIBUTE.encode() + b"\n")
    click.echo(
        "git filter: set up in .gitattributes and this clone's git config; notebooks enter git redacted, "
        "your files stay as they are (each clone runs `qguard init --yes` once). "
        "For those that are in git already: git add --renormalize ."
    )
    return exits.CLEAN


def _listed(attributes: bytes) -> bool:
    return re.search(rb"^[ \t]*\*\.(?:ipynb|\[iI\]\S+)[ \t][^\n]*filter=qguard\b", attributes, re.MULTILINE) is not None


def filter_of_notebooks(root: Path) -> str:
    """Return the name of the filter that git runs for a notebook in ``root``, or nothing."""
    listing = _git(root, "check-attr", "-z", "filter", "--", "probe.ipynb", check=False) or ""
    value = "".join(listing.split("\0")[2:3])
    return "" if value in ("unspecified", "unset", "set") else harmless(value)


def _agreed() -> bool:
    """Ask on a terminal; elsewhere nobody can answer, so nothing is changed."""
    question = "Filter notebooks on their way into git (.gitattributes and git config filter.qguard)?"
    if sys.stdin.isatty() and sys.stderr.isatty():
        if click.confirm(question, default=False, err=True):
            return True
        click.echo("git filter: not set up, as you said.")
    else:
        click.echo("git filter: not set up; `qguard init --yes` sets it up.")
    return False


def _config(root: Path, name: str) -> str | None:
    value = _git(root, "config", "--local", "--get", name, check=False)
    return value.rstrip("\n") if value is not None else None


def _git(root: Path, *arguments: str, check: bool = True) -> str | None:
    """Run git; None where it fails and ``check`` is False, else InputError."""
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)  # noqa: S603, S607
    except OSError:
        raise InputError(
            "git filter: git could not be run.", "Install git, or use the pre-commit hook alone."
        ) from None
    if done.returncode == 0:
        return done.stdout
    if check:
        raise InputError("git filter: git config could not be written.", "Check the permissions of .git/config.")
    return None
