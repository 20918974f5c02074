"""``qguard doctor``: is this installation guarding, and if not, what to do."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from jupyter_qguard.cli import checks, exits, gitchecks, open_doors
from jupyter_qguard.cli.checks import Found
from jupyter_qguard.cli.ondisk import on_disk
from jupyter_qguard.cli.report_text import wants_colour

_WORDS = {"ok": "ok    ", "note": "note  ", "mend": "mend  ", "broken": "BROKEN"}
_COLOURS = {"ok": "green", "note": "blue", "mend": "yellow", "broken": "red"}


@click.command("doctor", short_help="Check this installation and folder, and say how to mend what is wrong.")
def command() -> int:
    """Check this installation and folder, and say how to mend what is wrong.

    Runs every writing door in a scratch folder, and judges the notebooks below the current
    folder. Exits 0 if all is well, 1 if something should be mended, 2 if something does not guard.
    """
    colour = wants_colour(sys.stdout, os.environ)
    worst = exits.CLEAN
    root = Path.cwd()
    for title, check in _CHECKS.items():
        for found in checks.run(check, title, os.environ, root):
            _show(found, colour)
            worst = max(worst, {"mend": exits.FOUND, "broken": exits.FAILED}.get(found.state, exits.CLEAN))
            sys.stdout.flush()
    return worst


def _show(found: Found, colour: bool) -> None:
    word = _WORDS[found.state]
    if colour:
        word = click.style(word, fg=_COLOURS[found.state], bold=found.state == "broken")
    click.echo(f"{word}  {found.title}: {found.text}")
    if found.fix:
        click.echo(f"          to do: {found.fix}")


def doors(_env: Mapping[str, str], _root: Path) -> Iterator[Found]:
    """Run every writing door through a guarded contents manager in a scratch folder."""
    if importlib.util.find_spec("jupyter_server") is None:
        yield Found("note", "doors", "jupyter_server is not installed here, so there are no doors to run.")
        return
    # By name: the command line does not build on the server room, it only asks whether it works.
    checkup = importlib.import_module("jupyter_qguard.server.checkup")
    for result in checkup.run_doors():
        if result.failure:
            fix = "Do not run servers with this version of jupyter_server and jupyter-qguard together."
            yield Found("broken", "doors", f"{result.manager}: {result.failure}", fix)
        else:
            yield Found("ok", "doors", f"{result.manager}: no planted secret got through {', '.join(result.doors)}")
    for door in open_doors.here():
        yield Found("note", "open door", f"{door.way} ({door.id})", door.close)


_CHECKS: dict[str, checks.Check] = {
    "version": checks.version,
    "engine": checks.engine,
    "policy": checks.policy,
    "data folder": checks.data_folder,
    "kept values": checks.kept_store,
    "record": checks.ledger,
    "server extension": checks.extension,
    "nbconvert": checks.nbconvert,
    "git": gitchecks.repository,
    "doors": doors,
    "on disk": on_disk,
}
