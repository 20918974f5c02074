"""From a finding to an entry: what a person has to say, and what may not be said."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import click

from jupyter_qguard.cli.baseline_book import Seen, now
from jupyter_qguard.cli.exits import UsageError
from jupyter_qguard.cli.judge import Judge
from jupyter_qguard.errors import InputError
from jupyter_qguard.policy.exempt import why_not
from jupyter_qguard.policy.model import Action, Context, Decision, Exemption
from jupyter_qguard.settings.baseline_file import LONGEST, BaselineFile, Entry
from jupyter_qguard.settings.glob import compile_glob

DAYS = 90
"""What an audit proposes as an entry's life."""
_SPAN = re.compile(r"(\d{1,5}) ?d(?:ays?)?")
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Terms:
    """Why something is accepted, who answers for it, and until when."""

    reason: str
    owner: str
    expires: date


def terms(reason: str | None, owner: str | None, expires: str | None) -> Terms:
    """Return the terms given; what is missing is asked for on a terminal. Raises UsageError, InputError."""
    values = {"--reason": reason, "--owner": owner, "--expires": expires}
    missing = [name for name, value in values.items() if not value]
    if missing and not on_terminal():
        raise UsageError(f"An exception needs {' and '.join(missing)}.", "All three are required: reason, owner, end.")
    reason = reason or click.prompt("Why is this no leak", type=str)
    owner = owner or click.prompt("Who answers for it", type=str, default=_me())
    expires = expires or click.prompt("Until when (2027-01-31, or 90d)", type=str, default=f"{DAYS}d")
    return checked(reason, owner, expires)


def checked(reason: str, owner: str, expires: str) -> Terms:
    """Return what was said as terms. Raises InputError for what cannot stand in a file that everybody reads."""
    from jupyter_qguard.scan.scanner import scan_text

    for name, text in (("reason", reason), ("owner", owner)):
        if not text.strip() or len(text) > LONGEST or _CONTROLS.search(text):
            raise InputError(f"The {name} must be one line of at most {LONGEST} characters.", "Say it in other words.")
        if scan_text(text).findings:
            raise InputError(f"The {name} holds what looks like a secret.", "Say it without; the baseline is shared.")
    return Terms(reason.strip(), owner.strip(), when(expires, now()))


def when(text: str, moment: datetime) -> date:
    """Return the day that ``2027-01-31`` or ``90d`` names. Raises InputError if it is none, or over."""
    text = text.strip()
    span = _SPAN.fullmatch(text)
    try:
        day = moment.date() + timedelta(days=int(span[1])) if span else date.fromisoformat(text)
    except (ValueError, OverflowError):
        raise InputError("--expires must be a day such as 2027-01-31 or a span such as 90d.", "Correct it.") from None
    if day <= moment.astimezone(UTC).date():
        raise InputError(f"--expires {day} is over already.", "Name a later day.")
    return day


def on_terminal() -> bool:
    """Return whether a person can be asked."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()


def make(
    baseline: BaselineFile, seen: Seen, number: int, said: Terms, *, only: str = "", guessable: bool = False
) -> Entry:
    """Return the entry for a finding. Raises InputError where one cannot be made, or where it would not count."""
    scan, item = seen.look.scan, seen.look.decision.judged[number]
    rule, address = item.finding.rule.id, item.finding.address
    below = baseline.below(seen.path)
    weak = scan.guessable(number)
    if weak and not guessable:
        raise InputError(
            f"{seen.label}: {rule}: this value could be guessed from what a baseline holds.",
            "If it is public or made up, accept it with --guessable; else write a [[paths]] entry in qguard.toml.",
        )
    if scan.shows(said.reason) or scan.shows(said.owner):
        raise InputError("Reason or owner show part of what was found.", "Say it without; the baseline is shared.")
    named = "" if scan.shows(below) else below
    if weak and not only:
        if not named:
            raise InputError("The file's own name shows what was found.", "Rename it, or limit the entry with --only.")
        only = literal(named)
    if only:
        try:
            compile_glob(only)
        except ValueError as error:
            raise InputError(f"--only {error}.", "Write a pattern such as courses/**.") from None
    entry = Entry(
        digest=seen.digests(number, baseline)[0],
        rule=rule,
        reason=said.reason,
        owner=said.owner,
        expires=said.expires,
        path=_hint(named),
        cell_id=_hint(address.cell_id or ""),
        field=_hint(address.field or ""),
        only=only,
        guessable=weak,
    )
    policy, kind = seen.look.policy, seen.look.scan.kind
    if policy.exceptions.baseline == "ignore":
        raise InputError("The policy takes no baselines here.", "See `qguard policy show`: exceptions.baseline.")
    if item.exemption is None:
        refused = why_not(entry, item, Context("commit", seen.path, kind), policy, below, guessable=weak)
        if refused:
            raise InputError(f"This would not count: {refused}.", "See `qguard policy show`: exceptions.")
    return entry


def literal(path: str) -> str:
    """Return the pattern that matches exactly this path."""
    return "/" + re.sub(r"([\[*?])", r"[\1]", path)


def record(judge: Judge, seen: Seen, number: int, entry: Entry, verb: str) -> None:
    """Put into the ledger that an exception was made or taken back. Raises LedgerError: then nothing is changed."""
    from jupyter_qguard.guard import Request

    guard = judge.guard(seen.root)
    exemption = Exemption("baseline", entry.reason, entry.owner, str(entry.expires))
    item = replace(seen.look.decision.judged[number], exemption=exemption, action=Action.ALLOW)
    decision = Decision(Action.ALLOW, seen.look.policy.mode, (item,), ())
    note = f"qguard baseline {verb}: {entry.digest[:8]}"
    request = Request("commit", seen.path)
    digest = seen.look.policy.digest
    guard.ledger.append(
        guard.event(request, seen.look.scan.kind, Action.ALLOW, decision.mode, decision, digest, note=note)
    )


def _hint(text: str) -> str:
    """Return a hint as it may stand in the file."""
    return _CONTROLS.sub("?", text)[:LONGEST]


def _me() -> str | None:
    """Return the address that git knows the user by."""
    try:
        done = subprocess.run(["git", "config", "user.email"], capture_output=True, text=True, check=False)  # noqa: S607
    except OSError:
        return None
    return done.stdout.strip() or os.environ.get("USER") or None


def pick(seen: Seen, numbers: Sequence[int]) -> dict[bytes, list[int]]:
    """Return findings grouped by value, in order."""
    groups: dict[bytes, list[int]] = {}
    for number in numbers:
        groups.setdefault(seen.value(number), []).append(number)
    return groups
