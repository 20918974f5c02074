"""``qguard ledger show --would-have``: who would have been stopped, by which rule."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from jupyter_qguard.cli import exits
from jupyter_qguard.cli.names import harmless
from jupyter_qguard.cli.times import when

if TYPE_CHECKING:
    from jupyter_qguard.ledger.store import Found
    from jupyter_qguard.ledger.would_have import WouldHave

_NOBODY = "(nobody named)"


def show_would_have(found: Iterable[Found], form: str) -> int:
    """Print the answer in ``form`` (text, json, jsonl); always returns 0: it is a count, no judgement."""
    from jupyter_qguard.ledger.would_have import would_have

    answer = would_have(one.event for one in found)
    if form == "json":
        click.echo(
            json.dumps(
                {
                    "decisions": answer.decisions,
                    "stopped": answer.stopped,
                    "redacted": answer.redacted,
                    "rows": [group.plain() for group in answer.groups],
                },
                indent=1,
            )
        )
    elif form == "jsonl":
        for group in answer.groups:
            click.echo(json.dumps(group.plain(), separators=(",", ":")))
    else:
        _text(answer)
    return exits.CLEAN


def _text(answer: WouldHave) -> None:
    if not answer.decisions:
        click.echo("Nothing was recorded in observe mode.")
        return
    people = len(answer.people)
    click.echo(
        f"In observe mode {_count(answer.decisions, 'decision')} had something to say: enforced, "
        f"{answer.stopped} would have been stopped ({_count(people, 'user')}) and {answer.redacted} redacted."
    )
    if not answer.groups:
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("who", "rule", "door", "would have", "times", "paths", "last", box=None, pad_edge=False)
    for group in answer.groups:
        who = harmless(group.who) or _NOBODY
        cells = (who, group.rule, group.door, group.action, str(group.times), str(len(group.paths)), when(group.last))
        table.add_row(*(escape(cell) for cell in cells))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 10_000  # a file or pipe gets whole lines
    console.print(table)


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" + ("" if n == 1 else "s")
