"""``qguard git``: what git itself runs. People rarely type these; ``qguard init`` sets them up."""

from __future__ import annotations

import os
import sys

import click

from jupyter_qguard.errors import InputError


@click.group("git", short_help="What git runs: the filter, hooks for a team, what a push takes out.")
def command() -> None:
    """What git runs: the filter, hooks for a team, what a push takes out."""


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
