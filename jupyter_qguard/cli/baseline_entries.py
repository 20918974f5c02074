"""What stands in a baseline: shown, looked up, held against the project, taken back."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from jupyter_qguard.cli.baseline_book import Book, project
from jupyter_qguard.cli.judge import Judge
from jupyter_qguard.errors import InputError
from jupyter_qguard.policy.exempt import quotes_a_secret
from jupyter_qguard.settings.baseline_file import BaselineFile, Entry

_WITHHELD = "(not shown: it looks like a secret)"


def judge_by(book: Book | None, policy: str | None) -> Judge:
    """Return what judges by ``book``, or (None) as if there were no baseline: one that is broken is told by reading."""
    named = book.path if book is not None and book.exists else None
    base = book is not None and named is not None and not book.base
    return Judge(
        Path.cwd(),
        os.environ,
        Path(policy) if policy else None,
        baseline_file=named if base else None,
        use_baselines=book is not None,
    )


def by_id(baseline: BaselineFile, name: str) -> Entry:
    found = [entry for entry in baseline.entries if len(name) >= 6 and entry.digest.startswith(name.lower())]
    if len(found) != 1:
        why = "No exception has" if not found else "Several exceptions have"
        raise InputError(
            f"{why} an id that starts so.", "`qguard baseline list` shows them; give six or more characters."
        )
    return found[0]


def stale_entries(book: Book, baseline: BaselineFile, policy: str | None) -> list[Entry]:
    """Return the entries whose value is nowhere in the baseline's folder. Raises InputError if that cannot be known."""
    folder = book.root / book.base
    found = project(judge_by(None, policy), [str(folder)])
    if found.failed:
        raise InputError("Not everything could be judged, so what is stale is not known.", "Mend those files first.")
    met = {
        digest
        for seen in found.seen
        for number, item in seen.numbered()
        if item.finding.rule.id in baseline.rules
        for digest in seen.digests(number, baseline)
    }
    return [entry for entry in baseline.entries if entry.digest not in met]


def record_removal(judge: Judge, book: Book, entries: Sequence[Entry]) -> None:
    from jupyter_qguard.guard import Request
    from jupyter_qguard.policy.model import Action

    guard = judge.guard(book.root)
    policy = guard.policies.effective(f"{book.base}/x" if book.base else "x")
    for entry in entries:
        note = f"qguard baseline remove: {entry.digest[:8]} ({entry.rule})"
        request = Request("commit", entry.path or book.path.name)
        guard.ledger.append(guard.event(request, "text", Action.ALLOW, policy.mode, None, policy.digest, note=note))


def as_row(entry: Entry, why: str) -> dict[str, Any]:
    """Return an entry as ``list`` shows it; of one that quotes a secret, none of its words."""
    if quotes_a_secret(entry):
        entry = replace(entry, reason=_WITHHELD, owner=_WITHHELD, only=_WITHHELD if entry.only else "")
        why = why or "its reason, owner or `only` holds what looks like a secret"
    return {
        "id": entry.digest,
        "rule": entry.rule,
        "reason": entry.reason,
        "owner": entry.owner,
        "expires": str(entry.expires),
        "path": entry.path or None,
        "cell_id": entry.cell_id or None,
        "field": entry.field or None,
        "only": entry.only or None,
        "guessable": entry.guessable,
        "counts": not why,
        "why": why,
    }


def as_line(row: dict[str, Any]) -> str:
    where = [row["path"] or "", f"cell {row['cell_id']}" if row["cell_id"] else "", row["field"] or ""]
    stood = " ".join(part for part in where if part)
    ends = f"until {row['expires']}" if row["counts"] else f"DOES NOT COUNT: {row['why']}"
    limits = f"  only {row['only']}" if row["only"] else ""
    return f"{row['id'][:8]}  {row['rule']}  {ends}  {row['owner']}: {row['reason']}  [{stood}]{limits}"
