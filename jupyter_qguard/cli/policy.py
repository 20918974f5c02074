"""``qguard policy``: what is in force here, where each value comes from, and what is wrong with a file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jupyter_qguard.cli import exits
from jupyter_qguard.cli.files import relative, root_of
from jupyter_qguard.cli.names import harmless, shown

if TYPE_CHECKING:
    from jupyter_qguard.settings import Policies

_FORMAT = click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to print."
)


@click.group("policy", short_help="Show, check or explain the policy in force.")
def command() -> None:
    """Show, check or explain the policy in force."""


@command.command("show", short_help="Show every setting with its source.")
@click.argument("path", required=False, metavar="[PATH]", type=click.Path())
@_FORMAT
def show(path: str | None, form: str) -> int:
    """Show every setting with its source, as it holds for PATH (default: the current folder)."""
    policies, inside = _load(path)
    rows = policies.effective(inside).explain()
    if form == "json":
        keys = ("setting", "value", "source", "line", "floor", "who", "note")
        click.echo(json.dumps([{key: getattr(row, key) for key in keys} for row in rows], indent=1))
        return _problems(policies)
    width = max(len(row.setting) for row in rows)
    for row in rows:
        floor = f"  (at least {row.floor})" if row.floor else ""
        note = f"  # {harmless(row.note)}" if row.note else ""
        click.echo(f"{harmless(row.setting):<{width}}  {row.value:<8}  {harmless(row.where)}{floor}{note}")
    return _problems(policies)


@command.command("check", short_help="Say what is wrong with policy files.")
@click.argument("path", required=False, metavar="[PATH]", type=click.Path())
def check(path: str | None) -> int:
    """Say what is wrong with the policy file PATH, or with all files that apply in the current folder.

    Exits 2 if a file cannot be used as it is; warnings alone exit 0.
    """
    from jupyter_qguard.scan import rules
    from jupyter_qguard.settings import check_file

    if path is not None and not Path(path).is_dir():
        files = [Path(path)]
    else:
        files = list(_applying(Path(path) if path else Path.cwd()))
    code = exits.CLEAN
    for file in files:
        problems = check_file(file, known_rules=frozenset(rules.ALL), env=os.environ)
        for problem in problems:
            click.echo(f"{problem.level}: {harmless(problem.sentence())}")
            code = exits.FAILED if problem.level == "error" else code
        if not problems:
            click.echo(f"{shown(file)}: in order")
    if not files:
        click.echo("No policy file applies here; the defaults hold. `qguard init` writes one.")
    if path is None:
        code = max(code, _problems(_load(None)[0]))
    return code


@command.command("explain", short_help="Explain what happens at each door, and because of what.")
@click.argument("path", required=False, metavar="[PATH]", type=click.Path())
@_FORMAT
def explain(path: str | None, form: str) -> int:
    """Explain what a finding leads to at each door, for PATH (default: a notebook in the current folder)."""
    policies, inside = _load(path)
    table = policies.effective(inside).table()
    if form == "json":
        rows = [
            {"door": door, "content": content, "action": str(verdict.action), "because": verdict.because}
            for door, content, verdict in table
        ]
        click.echo(json.dumps(rows, indent=1))
        return _problems(policies)
    click.echo(f"A credential found in {shown(path) if path else 'a file here'} (mode {policies.mode}):")
    for door, content, verdict in table:
        click.echo(f"  {door:<11}  {content:<8}  {verdict.action!s:<6}  because of {harmless(verdict.because)}")
    return _problems(policies)


def _load(path: str | None) -> tuple[Policies, str]:
    """Return the policies of the root that holds ``path`` (which need not exist yet), and the path below it."""
    from jupyter_qguard import paths, settings
    from jupyter_qguard.scan import rules

    cwd = Path.cwd()
    target = Path(path) if path else cwd
    root = root_of(target, cwd)
    inside = relative(target, root, cwd)
    if target.is_dir():
        inside = f"{inside}/any.ipynb" if inside != "." else "any.ipynb"
    pause = paths.data_dir(os.environ) / settings.PAUSE_NAME
    policies = settings.load(None, root=root, env=os.environ, known_rules=frozenset(rules.ALL), pause_file=pause)
    return policies, shown(inside)


def _problems(policies: Policies) -> int:
    """Tell on stderr what is wrong; files that cannot be used exit 2, ``on_failure = "warn"`` is only told."""
    for notice in policies.notices:
        exits.say(f"note: {harmless(notice)}")
    for problem in policies.problems:
        exits.say(f"qguard: {harmless(problem)}")
    return exits.FAILED if len(policies.problems) > (policies.on_failure == "warn") else exits.CLEAN


def _applying(folder: Path) -> Iterator[Path]:
    """Yield the policy files that exist for ``folder``: the system's, the user's, the project's."""
    from jupyter_qguard import paths

    name = "qguard.toml"
    for shared in reversed(paths.config_dirs(os.environ)):
        if (shared / name).exists():
            yield shared / name
    cwd = Path.cwd()
    root = root_of(folder, cwd)
    here = Path(os.path.normpath(cwd / folder))
    for candidate in (here, *here.parents):
        for file in (candidate / name, candidate / "pyproject.toml"):
            if file.exists() and (file.name == name or b"[tool.qguard" in file.read_bytes()):
                yield file
                return
        if candidate == root:
            return
