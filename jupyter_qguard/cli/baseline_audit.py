"""Reviewing findings in a terminal: one value at a time, nothing of it shown, each decision saved at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from jupyter_qguard.cli import exits
from jupyter_qguard.cli.baseline_book import Book, Seen
from jupyter_qguard.cli.baseline_entry import Terms, checked, make, record, terms
from jupyter_qguard.cli.names import harmless
from jupyter_qguard.cli.report_text import place
from jupyter_qguard.errors import InputError
from jupyter_qguard.messages import count

if TYPE_CHECKING:
    from jupyter_qguard.cli.judge import Judge

KEYS = "  [a]ccept  [n]ot an exception  [s]kip  [q]uit ? "


def run(judge: Judge, book: Book, todo: Sequence[tuple[Seen, list[int]]]) -> int:
    """Go through the values; return 1 if some are left that fail a scan, else 0."""
    if not todo:
        click.echo("There is nothing to review.")
        return exits.CLEAN
    last: Terms | None = None
    accepted, open_ = 0, 0
    for turn, (seen, numbers) in enumerate(todo, start=1):
        number = numbers[0]
        item = seen.look.decision.judged[number]
        _show(seen, numbers, f"[{turn}/{len(todo)}]")
        key = _key()
        if key == "q":
            rest = [seen.look.decision.judged[found[0]] for seen, found in todo[turn - 1 :]]
            open_ += sum(str(left.action) not in ("allow", "warn") for left in rest)
            break
        if key == "a":
            made = _accept(judge, book, seen, number, last)
            if made is not None:
                last, accepted = made, accepted + 1
                continue
        taken_back = key == "n" and _reject(judge, book, seen, number)
        open_ += str(item.action) not in ("allow", "warn") or taken_back
    click.echo(f"{accepted} accepted, {open_} left that fail a scan.")
    return exits.FOUND if open_ else exits.CLEAN


def _show(seen: Seen, numbers: Sequence[int], head: str) -> None:
    row = seen.look.findings[numbers[0]]
    more = f" and {count(len(numbers) - 1, 'more place')}" if len(numbers) > 1 else ""
    click.echo(f"\n{head} {seen.label}  {place(row)}{more}")
    click.echo(f"  {row['rule']} ({row['severity']}), {row['action']}: {harmless(row['why'])}")
    exception = row.get("exception")
    if exception:
        click.echo(f"  accepted now: {harmless(seen.look.decision.judged[numbers[0]].because)}")
    if row.get("not_excepted"):
        click.echo(f"  note: {harmless(row['not_excepted'])}")
    line = harmless(seen.look.scan.line(numbers[0]))
    click.echo(f"  > {line}" if line else "  (the text around it cannot be shown)")


def _key() -> str:
    """Return the key that was pressed. Raises Abort at Ctrl-C and Ctrl-D."""
    while True:
        click.echo(KEYS, nl=False)
        pressed = click.getchar().lower()
        click.echo(pressed if pressed.isprintable() else "")
        if pressed in ("\x03", "\x04"):
            raise click.Abort
        if pressed in ("a", "n", "s", "q"):
            return pressed


def _accept(judge: Judge, book: Book, seen: Seen, number: int, last: Terms | None) -> Terms | None:
    """Ask for the terms and save the entry; None where the answer does not make one."""
    try:
        if last is None:
            said = terms(None, None, None)
        else:
            reason = click.prompt("Why is this no leak", default=last.reason)
            owner = click.prompt("Who answers for it", default=last.owner)
            said = checked(reason, owner, click.prompt("Until when", default=str(last.expires)))
        weak = seen.look.scan.guessable(number)
        if weak and not click.confirm("This value could be guessed from what is committed. Is it public or made up"):
            click.echo("  Left as it is.")
            return None
        entry = make(book.read()[1], seen, number, said, guessable=weak)
        record(judge, seen, number, entry, "accept")
        for remark in book.put(entry):
            click.echo(f"  {harmless(remark)}")
    except InputError as error:
        click.echo(f"  {harmless(error.sentence())}")
        return None
    click.echo(f"  Accepted until {entry.expires}, saved to {book.label}.")
    return said


def _reject(judge: Judge, book: Book, seen: Seen, number: int) -> bool:
    """Take back an entry that fits (True: there was one), and say what to do with a real secret."""
    found = []
    if book.exists:
        _, baseline = book.read()
        rule = seen.look.decision.judged[number].finding.rule.id
        if rule in baseline.rules:
            fits = [baseline.find(rule, digest) for digest in seen.digests(number, baseline)]
            found = [entry for entry in fits if entry is not None]
            for entry in found:
                record(judge, seen, number, entry, "remove")
                book.drop([entry.digest])
                click.echo(f"  The exception was taken back: {book.label}.")
    click.echo("  Have it replaced where it was issued, then take it out: qguard redact --in-place " + seen.label)
    return bool(found)
