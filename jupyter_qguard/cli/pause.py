"""``qguard pause``: observe instead of enforce for a limited time, on record, where the floor allows it."""

from __future__ import annotations

import getpass
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jupyter_qguard.cli import exits
from jupyter_qguard.cli.exits import UsageError
from jupyter_qguard.cli.names import harmless
from jupyter_qguard.cli.times import when

if TYPE_CHECKING:
    from jupyter_qguard.settings import Policies


@click.command("pause", short_help="Report instead of redact for a limited time, on record.")
@click.argument("duration", required=False, metavar="[DURATION|status]")
@click.option("--stop", is_flag=True, help="End a pause now.")
def command(duration: str | None, stop: bool) -> int:
    """Report instead of redact for a limited time, on record.

    DURATION is 30m, 2h, 1h30m; 8h at most unless policy says otherwise. Until then the servers of this user judge
    and report and change nothing; then they enforce again by themselves. Without DURATION (or with the word status):
    say whether there is a pause. The administrator's mode = "enforce" allows none.
    """
    from jupyter_qguard import guard, paths
    from jupyter_qguard.pausing import Pausing
    from jupyter_qguard.settings import parse_duration

    span = None
    if duration not in (None, "status"):
        span = parse_duration(str(duration))
        if span is None:
            raise UsageError("DURATION is no span of time.", "Write it as 30m, 2h or 1h30m.")
        if stop:
            raise UsageError("--stop takes no DURATION.", "Use one of them.")
    built = guard.build(Path.cwd(), os.environ)
    pausing = Pausing(built.policies, built.ledger, paths.data_dir(os.environ))
    pausing.end_if_over()
    if stop:
        click.echo("The pause is over; secrets are taken out again." if pausing.stop(_user()) else "There is no pause.")
        return exits.CLEAN
    if span is None:
        _status(built.policies)
        return exits.CLEAN
    if built.policies.mode == "off":
        raise UsageError("The guard is switched off; there is nothing to pause.", "`qguard policy show` says by whom.")
    pause = pausing.begin(span, _user())
    click.echo(
        f"Paused until {when(pause.until.isoformat())} and recorded. Running servers of this user notice at their next "
        "save: secrets are reported and stay where they are."
    )
    click.echo("To end it earlier: qguard pause --stop")
    return exits.CLEAN


def _status(policies: Policies) -> None:
    about = [notice for notice in policies.notices if "paused until" in notice or "pause is ignored" in notice]
    for notice in about:
        click.echo(harmless(notice))
    if not about:
        click.echo("There is no pause.")
    click.echo(f"mode: {policies.mode}")


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no such account: a container with a bare user number
        return f"uid {os.getuid()}" if hasattr(os, "getuid") else ""
