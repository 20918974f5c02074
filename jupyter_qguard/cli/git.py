"""``qguard git``: what git itself runs. People rarely type these; ``qguard init`` sets them up."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import click

from jupyter_qguard.cli import exits
from jupyter_qguard.errors import InputError


@click.group("git", short_help="What git runs: the filter, and hooks for a team.")
def command() -> None:
    """What git runs: the filter, and hooks for a team."""


@command.command("filter", short_help="The git filter (set up by `qguard init`).")
@click.argument("path", required=False, type=click.Path())
def filter_(path: str | None) -> int:
    """Redact notebooks on their way into git, and keep what was cut out first.

    Without PATH it speaks git's protocol for filter processes on stdin and stdout; with PATH it
    cleans stdin as that one file (git's `clean`, for programs that know no filter processes).
    """
    from jupyter_qguard.cli import gitfilter

    if sys.stdin is None or sys.stdin.isatty():
        raise InputError("This command is run by git.", "Set the filter up with `qguard init --yes`.")
    if path is not None:
        return gitfilter.once(path, sys.stdin.buffer, sys.stdout.buffer, os.environ)
    return gitfilter.serve(sys.stdin.buffer, sys.stdout.buffer, os.environ)


@command.command("hooks", short_help="Write a folder of hooks for a team's core.hooksPath.")
@click.argument("folder", type=click.Path())
def hooks(folder: str) -> int:
    """Write a folder of hooks for a team's core.hooksPath.

    They judge what is committed and what is pushed, and run each repository's own hooks as well.
    Run it again after an update.
    """
    from jupyter_qguard.cli import githooks
    from jupyter_qguard.cli.names import shown

    written = githooks.write(Path(folder), Path.cwd())
    where = shlex.quote(shown(Path(folder).absolute()))
    click.echo(f"{shown(folder)}: {len(written)} hooks written.")
    click.echo(f"for this repository: git config core.hooksPath {where}")
    click.echo(f"for yourself:        git config --global core.hooksPath {where}")
    click.echo(f"for the machine:     git config --system core.hooksPath {where}")
    return exits.CLEAN
