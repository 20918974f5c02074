"""``qguard ledger``: the record of decisions, shown, checked, exported; and its signed head."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jupyter_qguard.cli import exits
from jupyter_qguard.cli.names import harmless
from jupyter_qguard.cli.times import when

if TYPE_CHECKING:
    from jupyter_qguard.ledger.ledger import Ledger
    from jupyter_qguard.ledger.store import Found, Query

_MARKER = re.compile(r".*?([0-9a-f]{8})\]?", re.DOTALL)
_AGO = re.compile(r"(\d{1,6})\s*([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SHOWN_LIMIT = 50


@click.group("ledger", short_help="Show, verify or export the record of decisions; print its signed head.")
def command() -> None:
    """Show, verify or export the record of decisions; print its signed head."""


@command.command("show", short_help="Show recorded decisions, newest first.")
@click.option("--path", metavar="P", help="Only decisions on this path, as it stands in the record.")
@click.option("--door", metavar="D", help="Only decisions at this door (save, upload, export, …).")
@click.option("--rule", metavar="R", help="Only decisions with a finding of this rule.")
@click.option("--marker", metavar="ID", help="Only decisions with this marker, or its id.")
@click.option("--since", metavar="T", help="Only from then on: a date, a time, or an age such as 7d or 2h.")
@click.option("--until", metavar="T", help="Only before then.")
@click.option("--limit", metavar="N", type=click.IntRange(1), help=f"At most so many (by default {_SHOWN_LIMIT}).")
@click.option(
    "--would-have",
    is_flag=True,
    help="Count what observe mode would have stopped or redacted: whom, by which rule, at which door.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "jsonl"]),
    default="text",
    show_default=True,
    help="How to print.",
)
def show(
    path: str | None,
    door: str | None,
    rule: str | None,
    marker: str | None,
    since: str | None,
    until: str | None,
    limit: int | None,
    would_have: bool,
    form: str,
) -> int:
    """Show recorded decisions, newest first.

    Every decision other than "allow" is recorded: at the server's doors and on the command line.
    """
    from jupyter_qguard.ledger.store import Query

    known = _id8(marker)
    bounds = (_moment("--since", since), _moment("--until", until))
    if would_have:
        from jupyter_qguard.cli.ledger_would_have import show_would_have

        query = Query(path, known, *bounds, limit, door, rule, "observe")
        return show_would_have(_ledger().each(query), form)
    query = Query(path, known, *bounds, limit or _SHOWN_LIMIT, door, rule)
    return _show(query, form)


def _show(query: Query, form: str) -> int:
    found = _ledger().numbered(query)
    if form == "json":
        click.echo(json.dumps([_plain(one) for one in found], indent=1))
        return exits.CLEAN
    for one in found:
        if form == "jsonl":
            click.echo(json.dumps(_plain(one), separators=(",", ":")))
        else:
            for line in _lines(one):
                click.echo(line)
    if form == "text" and not found:
        click.echo("Nothing of that kind is recorded.")
    elif form == "text" and len(found) == query.limit:
        click.echo(f"(the newest {query.limit}; --limit shows more, `qguard ledger export` all)")
    return exits.CLEAN


@command.command("export", short_help="Print the whole record as JSON Lines, with its hashes.")
def export() -> int:
    """Print the whole record as JSON Lines, oldest first, with the hashes that a third party checks it by.

    `qguard ledger verify --export FILE` checks such a file anywhere; docs/record.md says how to without qguard.
    """
    from jupyter_qguard.ledger import lines

    last = 0
    with _ledger().reading() as reading:
        if not reading.exists:
            exits.say("qguard: There is no ledger here, so there is nothing to export.")
            return exits.FAILED
        out = sys.stdout.buffer
        if reading.genesis is not None:
            out.write(lines.head_line(reading.genesis))
        for row in reading.rows:
            last = row.seq if type(row.seq) is int else last
            out.write(lines.entry_line(last, row.body, row.hash))
        for key, n in reading.counters:
            out.write(lines.count_line(key, n, last))
        out.flush()
        if reading.torn or reading.odd:
            exits.say("qguard: Some of the ledger is no entry and was left out; `qguard ledger verify` says what.")
    return exits.CLEAN


@command.command("verify", short_help="Check the record: edits, deletions and, against a kept head, what was cut off.")
@click.option(
    "--head", "heads", multiple=True, metavar="FILE", help="Compare with this kept head (- is stdin). Repeatable."
)
@click.option("--export", "exported", metavar="FILE", type=click.Path(), help="Check this export, not the ledger here.")
@click.option(
    "--public-key",
    metavar="KEY",
    help="The key that heads must be signed with, or a file that holds it (default: this installation's).",
)
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to print."
)
def verify(heads: tuple[str, ...], exported: str | None, public_key: str | None, form: str) -> int:
    """Check the record: edits, deletions and, against a kept head, what was cut off or written anew.

    Exits 0 if it is intact, 1 if it was tampered with, 2 if that could not be judged.
    """
    from jupyter_qguard.cli.ledger_verify import run

    return run(heads, exported, public_key, form)


@command.command("head", short_help="Sign the record's head now, keep it where policy says, and print it.")
@click.option("--public-key", is_flag=True, help="Print the key that heads are verified with instead.")
def head(public_key: bool) -> int:
    """Sign the record's head now, keep it where policy says, and print it.

    Keep it where this account cannot change it: `qguard ledger verify --head FILE` then finds what was cut off.
    """
    ledger = opened()
    if ledger.heads is None:
        raise TypeError("a ledger opened to be signed has heads")
    chain = ledger.tree()
    if chain is None or not chain.size:
        exits.say("qguard: Nothing is recorded with a chain yet, so there is no head to sign.")
        return exits.FAILED
    if public_key:
        click.echo(str(ledger.heads.key(chain)))
        return exits.CLEAN
    made = ledger.heads.make(ledger)
    if made is not None:
        sys.stdout.flush()
        sys.stdout.buffer.write(made.note())
    problems = ledger.head_problems()
    for problem in problems:
        exits.say(f"qguard: {harmless(problem)}")
    return exits.FAILED if problems else exits.CLEAN


def opened() -> Ledger:
    """Return the ledger with its key and with the places where this folder's policy wants heads kept."""
    from jupyter_qguard import record, settings
    from jupyter_qguard.scan import rules

    policies = settings.load(None, root=Path.cwd(), env=os.environ, known_rules=frozenset(rules.ALL))
    return record.opened(os.environ, policies)


def _ledger() -> Ledger:
    """Return the ledger for reading alone: no policy is asked, so that a bad one hides nothing."""
    from jupyter_qguard import paths
    from jupyter_qguard.ledger.ledger import Ledger

    return Ledger(paths.data_dir(os.environ), env=os.environ)


def _plain(found: Found) -> dict[str, Any]:
    return {"seq": found.seq, "hash": found.hash.hex() if found.hash else None, **found.event.as_dict()}


def _lines(found: Found) -> Iterator[str]:
    event = found.event
    mode = "" if event.mode in ("enforce", "") else f" [{event.mode}]"
    who = f"  by {harmless(event.who)}" if event.who else ""
    yield f"{found.seq:>6}  {when(event.time)}  {event.door}: {event.action}{mode}  {harmless(event.path)}{who}"
    for finding in event.findings:
        yield f"        {finding['rule']}: {finding['action']}{_where(finding)}"
    for part in event.unchecked:
        field = f" in {harmless(part['field'])}" if part.get("field") else ""
        yield f"        not checked{field}: {harmless(part['reason'])}"
    if event.note:
        yield f"        {harmless(event.note)}"


def _where(finding: Mapping[str, Any]) -> str:
    parts = []
    if finding.get("cell_index") is not None:
        parts.append(f"cell {finding['cell_index'] + 1}")
    if finding.get("field"):
        parts.append(harmless(finding["field"]))
    if finding.get("line"):
        parts.append(f"line {finding['line']}")
    if finding.get("id8"):
        parts.append(f"id {finding['id8']}")
    return "  " + ", ".join(parts) if parts else ""


def _id8(marker: str | None) -> str | None:
    if marker is None:
        return None
    found = _MARKER.fullmatch(marker.strip().strip("\"'"))
    if found is None:
        raise exits.UsageError(
            "The value of --marker is no marker and no id.", "Give [REDACTED:rule:id] in quotes, or its 8 characters."
        )
    return found[1]


def _moment(option: str, text: str | None) -> str | None:
    """Return a time as the ledger writes it. A time without a zone is local, as ``show`` prints it."""
    from jupyter_qguard.ledger.event import stamp

    if text is None:
        return None
    ago = _AGO.fullmatch(text.strip())
    try:
        if ago is not None:
            moment = datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        else:
            moment = datetime.fromisoformat(text.strip()).astimezone()
        return stamp(moment.timestamp())
    except (ValueError, OverflowError, OSError):
        raise exits.UsageError(
            f"The value of {option} is no time.", "Write 2027-01-31, 2027-01-31T09:30, or an age such as 7d or 2h."
        ) from None
