"""``qguard baseline``: reviewed exceptions, each with a reason, an owner and an end. Takes places, never values."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from jupyter_qguard.cli import baseline_audit, baseline_entry, exits
from jupyter_qguard.cli.baseline_book import book_of, now, project
from jupyter_qguard.cli.baseline_entries import as_line, as_row, by_id, judge_by, record_removal, stale_entries
from jupyter_qguard.cli.baseline_find import chosen, groups, place
from jupyter_qguard.cli.names import harmless
from jupyter_qguard.cli.report import ACTIONS
from jupyter_qguard.errors import InputError
from jupyter_qguard.settings.exceptions import has_expired

F = TypeVar("F", bound=Callable[..., Any])

_FILE = click.option("--baseline", "named", type=click.Path(), metavar="FILE", help="Work on FILE.")
_POLICY = click.option(
    "--policy", "policy", type=click.Path(), metavar="FILE", help="Use FILE as the project's policy."
)
_FROM = click.option(
    "--fail-on", type=click.Choice(ACTIONS[1:]), default="redact", show_default=True, help="Take findings from here up."
)


def _terms(command: F) -> F:
    """Add what every exception needs."""
    for name, text in (
        ("--expires", "Its last day is the one before: 2027-01-31, or 90d."),
        ("--owner", "Who answers for it."),
        ("--reason", "Why this is no leak."),
    ):
        command = click.option(name, metavar="TEXT" if name != "--expires" else "DAY", help=text)(command)
    return command


@click.group("baseline", short_help="Accept, list, review and remove reviewed exceptions.")
def command() -> None:
    """Accept, list, review and remove reviewed exceptions.

    They stand in .qguard-baseline.toml, which belongs into git: by rule and a salted digest of the
    value, never by line, each with a reason, an owner and an end.
    """


@command.command("create", short_help="Start a baseline from what is there.")
@click.argument("paths", nargs=-1, metavar="[PATH...]", type=click.Path())
@_terms
@_FROM
@click.option("--guessable", is_flag=True, help="Accept values that could be guessed, too.")
@_FILE
@_POLICY
def create(
    paths: tuple[str, ...],
    reason: str | None,
    owner: str | None,
    expires: str | None,
    fail_on: str,
    guessable: bool,
    named: str | None,
    policy: str | None,
) -> int:
    """Accept everything found in PATHs (default: here) for one reason, or list what to review.

    Without --reason, --owner and --expires nothing is written. A baseline that exists is never
    overwritten.
    """

    given = [value for value in (reason, owner, expires) if value]
    said = baseline_entry.checked(*given) if len(given) == 3 else None
    if given and said is None:
        raise exits.UsageError("--reason, --owner and --expires go together.", "Give all three, or none.")
    book = book_of(Path.cwd(), Path.cwd(), named)
    if book.exists:
        raise InputError(f"{book.label} exists already.", "Use `qguard baseline audit` or accept.")
    judge = judge_by(None, policy)
    found = project(judge, paths or (".",))
    if found.failed:
        raise InputError("Not everything could be judged.", "Nothing was written; name what can be judged.")
    todo = list(groups(found, fail_on))
    if not todo:
        click.echo("Nothing was found that an exception is needed for; nothing was written.")
        return exits.CLEAN
    if said is None:
        for seen, numbers in todo:
            click.echo(place(seen, numbers))
        click.echo(f"{len(todo)} to review, and nothing was written. Next: qguard baseline audit")
        return exits.FOUND
    text, empty = book.read()
    entries, left = [], 0
    for seen, numbers in todo:
        try:
            entry = baseline_entry.make(empty, seen, numbers[0], said, guessable=guessable)
        except InputError as error:
            left += 1
            exits.say(f"qguard: {harmless(error.sentence())}")
            continue
        baseline_entry.record(judge, seen, numbers[0], entry, "create")
        entries.append(entry)
    if entries:
        for remark in book.start(text, entries):
            exits.say(remark)
    click.echo(f"{book.label}: {len(entries)} accepted until {said.expires}, {left} left out.")
    return exits.FOUND if left else exits.CLEAN


@command.command("accept", short_help="Accept one finding.")
@click.argument("path", metavar="PATH", type=click.Path())
@click.option("--rule", metavar="RULE", help="The finding's rule.")
@click.option("--cell", metavar="CELL", help="Its cell: the id, or the number that a report shows (from 1).")
@click.option("--field", metavar="FIELD", help="Its field, such as source or outputs[0].text.")
@click.option("--line", type=int, metavar="N", help="Its line.")
@click.option("--finding", metavar="ID", help="Its id as `qguard scan PATH` shows it (f1), or its fingerprint's start.")
@_terms
@click.option("--only", metavar="PATTERN", help="Let the entry count for paths that match only.")
@click.option("--guessable", is_flag=True, help="Accept a value that could be guessed; for this path only.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_FILE
@_POLICY
def accept(
    path: str,
    rule: str | None,
    cell: str | None,
    field: str | None,
    line: int | None,
    finding: str | None,
    reason: str | None,
    owner: str | None,
    expires: str | None,
    only: str | None,
    guessable: bool,
    yes: bool,
    named: str | None,
    policy: str | None,
) -> int:
    """Accept the finding in the file PATH that the options describe. All copies of its value are accepted.

    Accepting it again renews reason, owner and end.
    """

    if Path(path).is_dir():
        raise exits.UsageError("PATH must be a file.", "`qguard baseline audit` goes through a folder.")
    book = book_of(Path(path), Path.cwd(), named)
    judge = judge_by(book, policy)
    found = project(judge, [path])
    if found.failed:
        return exits.FAILED
    seen, number = chosen(found, rule, cell, field, line, finding)
    said = baseline_entry.terms(reason, owner, expires)
    entry = baseline_entry.make(book.read()[1], seen, number, said, only=only or "", guessable=guessable)
    if not yes and baseline_entry.on_terminal():
        click.echo(place(seen, [number]))
        click.confirm(f"Accept it until {said.expires}", abort=True)
    baseline_entry.record(judge, seen, number, entry, "accept")
    for remark in book.put(entry):
        exits.say(remark)
    click.echo(f"{book.label}: {entry.digest[:8]} accepts {entry.rule} until {entry.expires}.")
    return exits.CLEAN


@command.command("remove", short_help="Take exceptions back.")
@click.argument("ids", nargs=-1, metavar="[ID...]")
@click.option("--expired", is_flag=True, help="Remove those that ran out.")
@click.option("--stale", is_flag=True, help="Remove those whose value is nowhere below the baseline any more.")
@_FILE
@_POLICY
def remove(ids: tuple[str, ...], expired: bool, stale: bool, named: str | None, policy: str | None) -> int:
    """Take exceptions back: those of IDs (six characters or more), those that ran out, or stale ones."""

    if not (ids or expired or stale):
        raise exits.UsageError("Nothing to remove was named.", "Name IDs of `qguard baseline list`, or use --expired.")
    book = book_of(Path.cwd(), Path.cwd(), named)
    if not book.exists:
        raise InputError("There is no baseline here.", "Name one with --baseline.")
    _, baseline = book.read()
    gone = {entry.digest: entry for name in ids for entry in [by_id(baseline, name)]}
    if expired:
        gone |= {entry.digest: entry for entry in baseline.entries if has_expired(entry.expires, now())}
    if stale:
        gone |= {entry.digest: entry for entry in stale_entries(book, baseline, policy)}
    if gone:
        record_removal(judge_by(None, policy), book, list(gone.values()))
        book.drop(list(gone))
    click.echo(f"{book.label}: {len(gone)} removed, {len(baseline.entries) - len(gone)} left.")
    return exits.CLEAN


@command.command("list", short_help="List exceptions and what became of them.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to list."
)
@click.option("--expired", is_flag=True, help="Only those that ran out.")
@click.option("--stale", is_flag=True, help="Only those whose value is nowhere below the baseline any more.")
@_FILE
@_POLICY
def list_entries(form: str, expired: bool, stale: bool, named: str | None, policy: str | None) -> int:
    """List exceptions: rule, end, owner, reason, and where each value stood when it was accepted."""

    book = book_of(Path.cwd(), Path.cwd(), named)
    if not book.exists:
        if named:
            raise InputError("The file named by --baseline does not exist.", "Name another.")
        click.echo("[]" if form == "json" else "There is no baseline here. `qguard baseline accept` starts one.")
        return exits.CLEAN
    _, baseline = book.read()
    moment = now()
    rules = (
        judge_by(None, policy).guard(book.root).policies.effective(f"{book.base}/x" if book.base else "x").exceptions
    )
    shown_entries = stale_entries(book, baseline, policy) if stale else baseline.entries
    rows = [as_row(entry, rules.refuses(entry.owner, entry.expires, moment)) for entry in shown_entries]
    if rules.baseline == "ignore":
        rows = [row | {"counts": False, "why": row["why"] or "the policy takes no baselines"} for row in rows]
    rows = [row for row in rows if not expired or row["why"].startswith("it ran out")]
    if form == "json":
        click.echo(json.dumps(rows, indent=1))
        return exits.CLEAN
    for row in rows:
        click.echo(harmless(as_line(row)))
    if not rows:
        click.echo("None.")
    return exits.CLEAN


@command.command("audit", short_help="Review findings one at a time.")
@click.argument("paths", nargs=-1, metavar="[PATH...]", type=click.Path())
@click.option("--all", "everything", is_flag=True, help="Review what is accepted already, too.")
@click.option(
    "--fail-on", type=click.Choice(ACTIONS[1:]), default="warn", show_default=True, help="Take findings from here up."
)
@_FILE
@_POLICY
def audit(paths: tuple[str, ...], everything: bool, fail_on: str, named: str | None, policy: str | None) -> int:
    """Review the findings in PATHs (default: here) one at a time; each decision is saved at once.

    Exits 1 if findings are left that would fail a scan.
    """

    if not baseline_entry.on_terminal():
        raise exits.UsageError(
            "An audit needs a terminal.", "Elsewhere use `qguard scan`, then `qguard baseline accept` with its options."
        )
    cwd = Path.cwd()
    book = book_of(Path(paths[0]) if paths else cwd, cwd, named)
    judge = judge_by(book, policy)
    found = project(judge, paths or (".",))
    code = baseline_audit.run(judge, book, list(groups(found, fail_on, everything=everything)))
    return exits.FAILED if found.failed else code
