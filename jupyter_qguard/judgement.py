"""What goes into the guard and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from jupyter_qguard import __version__
from jupyter_qguard.ledger.event import Event
from jupyter_qguard.messages import SCAN_FAILED, SCAN_FAILED_HINT
from jupyter_qguard.policy.model import Action, Decision, Door, FileKind, Mode


@dataclass(frozen=True, slots=True)
class Request:
    """Who wants to move what through which door.

    ``path`` is relative to the server's or repository's root. ``sole_copy``: the only copy is being
    replaced (save, rename, restore, ``--in-place``), so a value taken out of a source is kept first.
    """

    door: Door
    path: str
    sole_copy: bool = False
    who: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the guard says. ``content`` is the very object passed in when nothing was changed."""

    action: Action
    mode: Mode
    content: Any
    changed: bool = False
    refused: bool = False
    status: int = 422
    code: str = ""
    message: str = ""
    hint: str = ""
    findings: list[dict[str, Any]] = field(default_factory=list)
    unchecked: list[dict[str, Any]] = field(default_factory=list)
    kept: tuple[str, ...] = ()
    not_kept: bool = False
    problem: str | None = None
    decision: Decision | None = None
    kind: FileKind = "opaque"


def failed(content: Any, mode: Mode = "enforce") -> Judgement:
    """Return the refusal with fixed text that every unexpected failure and timeout gets."""
    return Judgement(
        Action.BLOCK,
        mode,
        content,
        refused=True,
        status=503,
        code="scan-failed",
        message=SCAN_FAILED,
        hint=SCAN_FAILED_HINT,
    )


def record_of(
    request: Request,
    kind: FileKind,
    action: Action,
    mode: Mode,
    decision: Decision | None,
    policy_digest: str,
    *,
    time: str,
    note: str = "",
) -> Event:
    """Return the record of one decision: places and rules, never text. ``decision`` None: nothing was judged.

    ``time`` as :func:`jupyter_qguard.ledger.event.stamp` gives it.
    """
    rows = [
        {
            "rule": item.finding.rule.id,
            "action": str(item.action),
            "cell_index": item.finding.address.cell_index,
            "cell_id": item.finding.address.cell_id,
            "field": item.finding.address.field,
            "line": item.finding.line,
            "column": item.finding.column,
            "id8": item.finding.fingerprint[:8],
            "cut": item.finding.cut,
            **({"exception": item.exemption.because} if item.exemption else {}),
        }
        for item in (decision.judged if decision else ())
    ]
    missed = [
        {"field": part.field, "reason": part.reason, "action": str(verdict), "over_budget": part.over_budget}
        for part, verdict in (decision.unchecked if decision else ())
    ]
    return Event(
        time=time,
        door=request.door,
        path=request.path,
        action=str(action),
        mode=mode,
        kind=kind,
        findings=rows,
        unchecked=missed,
        policy_digest=policy_digest,
        version=__version__,
        who=request.who,
        note=note,
    )
