"""``qguard kept``: the one place where a value that was taken out can be seen again."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import click

from jupyter_qguard.cli.names import harmless
from jupyter_qguard.cli.times import when

if TYPE_CHECKING:
    from jupyter_qguard.broker.kept import KeptStore


@click.group("kept", short_help="List, reveal or drop values that a redaction kept for you.")
def command() -> None:
    """List, reveal or drop values that a redaction kept for you."""


@command.command("list", short_help="List kept values, without their text.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to list."
)
def list_kept(form: str) -> None:
    """List kept values, without their text."""
    rows = _store().list()
    if form == "json":
        click.echo(json.dumps(rows, indent=1))
        return
    if not rows:
        click.echo("Nothing is kept.")
        return
    for row in rows:
        cell = f" (cell {row['cell_id']})" if row["cell_id"] else ""
        click.echo(
            f"{row['id']}  {row['rule']}  until {when(row['until'] or '')}  from {harmless(str(row['path']) + cell)}"
        )
    click.echo("To see one: qguard kept reveal ID")


@command.command("reveal", short_help="Print one kept value, and nothing else.")
@click.argument("kept_id", metavar="ID")
def reveal(kept_id: str) -> None:
    """Print one kept value, and nothing else."""
    text = _store().reveal(kept_id).reveal()
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "surrogatepass"))
    if not text.endswith("\n"):
        sys.stdout.buffer.write(b"\n")


@command.command("drop", short_help="Forget one kept value for good.")
@click.argument("kept_id", metavar="ID")
def drop(kept_id: str) -> None:
    """Forget one kept value for good."""
    _store().drop(kept_id)
    click.echo("Dropped.")


def _store() -> KeptStore:
    from jupyter_qguard import paths
    from jupyter_qguard.broker.kept import KeptStore

    return KeptStore(paths.data_dir(os.environ), env=os.environ)
