"""What a clean-up writes into the record."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from jupyter_qguard.cli.scrub_item import TITLES, Spot
from jupyter_qguard.policy.model import Action

if TYPE_CHECKING:
    from jupyter_qguard.cli.asked import Look
    from jupyter_qguard.guard import Guard, Request


def note(spot: Spot, done: str) -> str:
    """Return the words of the record: ``qguard scrub: deleted (checkpoint)``."""
    return f"qguard scrub: {done} ({TITLES[spot.kind]})"


def record(guard: Guard, look: Look | None, request: Request, chosen: list[int], text: str) -> None:
    """Record what is about to be done. Raises LedgerError, and then it must not be done."""
    decision, kind, digest = None, "opaque", ""
    if look is not None:
        judged = tuple(look.decision.judged[number] for number in chosen)
        decision, kind, digest = replace(look.decision, judged=judged), look.scan.kind, look.policy.digest
    action = Action.REDACT if chosen else Action.WARN
    mode = decision.mode if decision else "enforce"
    guard.ledger.append(guard.event(request, kind, action, mode, decision, digest, note=text))  # type: ignore[arg-type]  # one of FileKind
