"""``qguard ledger verify``: is the record what was recorded, and what does a kept head prove of it."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from jupyter_qguard.cli import exits
from jupyter_qguard.cli.exits import os_reason
from jupyter_qguard.cli.ledger import opened
from jupyter_qguard.cli.names import harmless, shown
from jupyter_qguard.errors import InputError, QGuardError
from jupyter_qguard.ledger import lines, note
from jupyter_qguard.ledger.chain import origin
from jupyter_qguard.ledger.heads import Heads
from jupyter_qguard.ledger.ledger import Ledger
from jupyter_qguard.ledger.note import Head, PublicKey
from jupyter_qguard.ledger.store import Reading
from jupyter_qguard.ledger.targets import TargetError
from jupyter_qguard.ledger.verify import Problem, Report, entries, verify

_WORDS = {
    "intact": (exits.CLEAN, "The record is intact"),
    "tampered": (exits.FOUND, "THE RECORD WAS TAMPERED WITH"),
    "unknown": (exits.FAILED, "It could not be judged whether the record is intact"),
}
_NO_HEAD = (
    "No signed head was compared. Entries cut off at the end, or a record written anew, cannot be seen without one "
    "that was kept elsewhere (qguard ledger head)."
)
_SAME_USER = (
    "The heads compared lie on this machine, written and signed by the user who writes the record. They show accidents "
    "and careless edits. They prove nothing against somebody who acts as this user: record, heads and key can all be "
    "written anew together."
)
_GIVEN = (
    "The head given proves that these entries stood so when it was signed, as far as it (and the key) was kept where "
    "this user cannot write. It says nothing of entries after it, and not whether what was recorded was true or whole: "
    "a decision that was never recorded is in no head."
)
_COUNTERS = "Counters (decisions that led to nothing) are not part of the chain."


@dataclass(slots=True)
class Compared:
    """The heads to compare with, and what is to be said of those that are not."""

    heads: list[Head] = field(default_factory=list)
    bad: list[Problem] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    given: bool = False


def run(given: Sequence[str], exported: str | None, public_key: str | None, form: str) -> int:
    """Check, print, and return the exit code."""
    keys = [_key(public_key)] if public_key is not None else []
    ledger, heads = _opened()
    compared = Compared(given=bool(given))
    if given:
        own = _own_key(heads) if not keys else None
        for name in given:
            for head in note.parse(_read(name)):
                _take(head, keys, own, compared)
    with _reading(ledger, exported) as reading:
        if exported is None:
            _kept_here(heads, reading, keys, compared)
        report = verify(reading, compared.heads)
    report.problems += compared.bad
    report.unknown += compared.unknown
    report.notes += compared.notes
    says = [_COUNTERS, _GIVEN if compared.given else _SAME_USER if compared.heads else _NO_HEAD]
    if form == "json":
        click.echo(json.dumps(_plain(report, says), indent=1))
    else:
        _print(report, says)
    return _WORDS[report.verdict][0]


def _opened() -> tuple[Ledger, Heads | None]:
    """Return the ledger and its heads; a policy that cannot be read costs the heads it names, not the check."""
    try:
        ledger = opened()
    except QGuardError as error:
        from jupyter_qguard import record

        exits.say(f"note: {harmless(error.sentence())} Heads kept elsewhere are left out.")
        ledger = record.opened(os.environ, None)
    return ledger, ledger.heads


def _own_key(heads: Heads | None) -> bytes | None:
    return heads.public_key() if heads is not None else None


def _take(head: Head, keys: Sequence[PublicKey], own: bytes | None, compared: Compared) -> None:
    """Check the signature of a head that was given."""
    known = [*keys, PublicKey(head.origin, own)] if own is not None else list(keys)
    signed = head.signed_by(known)
    if signed:
        compared.heads.append(head)
    elif signed is False:
        text = f"The signature of the head over {entries(head.size)} is not its key's: the head was changed."
        compared.bad.append(Problem("head", None, text))
    else:
        compared.unknown.append(
            f"The head over {entries(head.size)} is signed by a key that is not known here; give the ledger's with "
            "--public-key."
        )


def _kept_here(heads: Heads | None, reading: Reading, keys: Sequence[PublicKey], compared: Compared) -> None:
    """Add the heads that lie in the data folder and in folders that policy names."""
    if heads is None:
        return
    name = origin(reading.genesis) if reading.genesis is not None else ""
    try:
        own = heads.public_key()
    except QGuardError as error:
        compared.notes.append(f"{error.message} Heads kept here were not compared.")
        return
    for number, folder in enumerate(heads.folders()):
        try:
            found = folder.all(name) if name else []
        except (OSError, TargetError):
            compared.notes.append(f"The heads in the {folder.name} cannot be read, so they were not compared.")
            continue
        strange = 0
        for head in found:
            known = [*keys, *([PublicKey(head.origin, own)] if own is not None else [])]
            signed = head.signed_by(known)
            if signed and head not in compared.heads:
                compared.heads.append(head)
            strange += signed is not True
        if strange:
            compared.notes.append(
                f"{strange} head(s) in the {folder.name} are not signed by this installation's key; they were not "
                "compared."
            )
        others = folder.others(name) if number == 0 else []
        if others and reading.genesis is None:
            lost = "it was emptied or replaced" if reading.exists else "it was removed"
            text = f"Heads of a ledger were signed here ({', '.join(others)}), and there is no such ledger: {lost}."
            compared.bad.append(Problem("removed", None, text))
        elif others:
            compared.notes.append(
                f"Heads of other ledgers are kept here too ({', '.join(others)}): the record was begun anew, or moved."
            )


@contextlib.contextmanager
def _reading(ledger: Ledger, exported: str | None) -> Iterator[Reading]:
    if exported is None:
        with ledger.reading() as reading:
            yield reading
        return
    try:
        with Path(exported).open("rb") as handle:
            yield lines.reading(handle)
    except OSError as error:
        raise InputError(f"{shown(exported)} cannot be read: {os_reason(error)}.", "Name an export.") from None


def _read(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read(note.MOST_BYTES + 1)
    try:
        with Path(name).open("rb") as handle:
            return handle.read(note.MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{shown(name)} cannot be read: {os_reason(error)}.", "Name a kept head.") from None


def _key(text: str) -> PublicKey:
    path = Path(text)
    with contextlib.suppress(OSError, ValueError):
        if path.is_file():
            text = path.read_text("utf-8", "replace")[:4096]
    return PublicKey.parse(text)


def _print(report: Report, says: Sequence[str]) -> None:
    words = _WORDS[report.verdict][1]
    click.echo(
        f"{words}: {entries(report.entries)}" + (f", root {report.root.hex()[:16]}…" if report.root else "") + "."
    )
    for problem in report.problems:
        click.echo(f"  {problem.text}")
    if report.more:
        click.echo(f"  and {report.more} more")
    for text in dict.fromkeys(report.unknown):
        click.echo(f"  {harmless(text)}")
    if report.chained_since:
        click.echo(
            f"  Chained since entry {report.chained_since}: what stands before it was recorded without a chain and "
            "taken as it stood."
        )
    for text in dict.fromkeys(text for _, text in report.heads):
        if text not in {problem.text for problem in report.problems}:
            click.echo(f"  {text[:1].upper()}{text[1:]}")
    for text in (*report.notes, *says):
        click.echo(f"  {harmless(text)}")


def _plain(report: Report, says: Sequence[str]) -> dict[str, object]:
    return {
        "verdict": report.verdict,
        "entries": report.entries,
        "origin": report.origin,
        "root": report.root.hex(),
        "chained_since": report.chained_since,
        "problems": [{"kind": one.kind, "seq": one.seq, "text": one.text} for one in report.problems],
        "more": report.more,
        "unknown": report.unknown,
        "notes": report.notes,
        "heads": [{"origin": head.origin, "size": head.size, "text": text} for head, text in report.heads],
        "says": list(says),
    }
