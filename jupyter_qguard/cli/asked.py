"""What a person asked for in a shell: look without recording, cut whatever the policy would not let into a commit.

The guard answers doors; these two answer questions. They use its parts, so that both judge the same.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import Any

from jupyter_qguard import __version__
from jupyter_qguard.cli.report import Report
from jupyter_qguard.errors import KeepError, LedgerError
from jupyter_qguard.guard import Guard, Request, kept_items
from jupyter_qguard.ledger.event import Event, stamp
from jupyter_qguard.ledger.ledger import Ledger
from jupyter_qguard.messages import describe_redaction, finding_rows, unchecked_rows
from jupyter_qguard.policy.model import Action, Context, Decision
from jupyter_qguard.scan.scanner import Redaction, Removed, Scan, scan_bytes
from jupyter_qguard.settings import Policy


@dataclass(frozen=True, slots=True)
class Look:
    """One file judged: nothing changed, kept or recorded. Not affected by the policy's mode."""

    scan: Scan
    decision: Decision
    policy: Policy

    @property
    def findings(self) -> list[dict[str, Any]]:
        """Return the findings as contract §5 objects."""
        return finding_rows(self.decision.judged)

    @property
    def unchecked(self) -> list[dict[str, Any]]:
        """Return the parts that could not be looked into."""
        return unchecked_rows(self.decision.unchecked)

    def to_cut(self) -> list[int]:
        """Return the indexes of the findings that ``qguard redact`` cuts out.

        In a notebook those that policy redacts or stops. A text file is never rewritten at a door, so there
        policy only warns or blocks; asked to, everything goes but what is allowed and what is a mere guess.
        """
        least = Action.REDACT if self.scan.kind == "notebook" else Action.WARN
        return [
            number
            for number, item in enumerate(self.decision.judged)
            if item.action >= Action.REDACT or (item.action >= least and item.finding.rule.tier != "generic")
        ]


@dataclass(frozen=True, slots=True)
class Cut:
    """What a redaction gave: the new bytes, the ids of values kept, the line that says what was done, what went."""

    content: bytes
    kept: tuple[str, ...]
    message: str
    removed: tuple[Removed, ...] = ()


def look(guard: Guard, data: bytes, path: str) -> Look:
    """Judge bytes as door ``commit``. ``path`` is relative to the guard's root. Raises what the scanner raises."""
    policy = guard.policies.effective(path)
    scan = scan_bytes(data, name=path, key=guard.key)
    return Look(scan, guard.decide(scan, Context("commit", path, scan.kind), policy), policy)


def cut(guard: Guard, seen: Look, chosen: list[int], request: Request, *, record: bool | None, note: str = "") -> Cut:
    """Cut the chosen findings out; keep first what would be lost, then record, then hand the bytes back.

    ``record`` False: the record is made where it can be (a git filter must not fail for a read-only home); None:
    there is nothing to record, because nothing goes anywhere (git only compares).
    ``note`` goes into the record.
    Raises KeepError, LedgerError and RedactionError: then nothing must be written.
    """
    redaction = seen.scan.redact(chosen)
    kept = _keep(guard, seen, redaction, request) if request.sole_copy else ()
    decision = replace(seen.decision, action=Action.REDACT)
    if record is not None:
        with contextlib.nullcontext() if record else contextlib.suppress(LedgerError):
            guard.ledger.append(
                guard.event(
                    request, seen.scan.kind, Action.REDACT, decision.mode, decision, seen.policy.digest, note=note
                )
            )
    taken = [decision.judged[number] for number in chosen]
    if not isinstance(redaction.content, bytes):
        raise TypeError("bytes went in, so bytes come out")
    message = describe_redaction(request.door, taken, kept=bool(kept), not_kept=False)
    return Cut(redaction.content, kept, message, redaction.removed)


def keep_all(guard: Guard, seen: Look, chosen: list[int], request: Request) -> tuple[str, ...]:
    """Keep the chosen values of a file that is about to be deleted; return their ids. Raises KeepError.

    What stands where nothing can be cut out (an archive) cannot be kept: its file goes only where it is a mere copy.
    """
    if seen.scan.kind == "opaque" or not chosen or guard.keeper is None:
        return ()
    return _keep(guard, seen, seen.scan.redact(chosen), request)


def bypass(ledger: Ledger, report: Report) -> None:
    """Record that findings were let through because the mode is ``off``. Raises LedgerError."""
    keys = ("rule", "action", "cell_index", "cell_id", "field", "line", "column")
    ledger.append(
        *(
            Event(
                time=stamp(),
                door="commit",
                path=item.path,
                action=item.verdict,
                mode="off",
                kind="",
                findings=[{key: row[key] for key in keys} | {"id8": row["fingerprint"][:8]} for row in item.findings],
                version=__version__,
                note="qguard scan: let through, mode off",
            )
            for item in report.files
            if item.findings
        )
    )


def _keep(guard: Guard, seen: Look, redaction: Redaction, request: Request) -> tuple[str, ...]:
    """Keep what is about to be replaced. A plain file is all source: a person wrote it."""
    removed = redaction.removed
    if seen.scan.kind != "notebook":
        removed = tuple(replace(entry, source=True) for entry in removed)
    items = kept_items(removed, request.path)
    if not items:
        return ()
    if guard.keeper is None:
        raise KeepError(
            "On a Hub no value can be kept, and this would replace the only copy.",
            "Nothing was changed; use -o to write a redacted copy instead.",
        )
    return guard.keeper.keep(items)
