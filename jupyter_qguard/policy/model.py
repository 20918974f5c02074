"""Actions, doors and the shape of a decision (contract §3 and §8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jupyter_qguard.scan.finding import Finding, Unchecked
from jupyter_qguard.settings.words import Action, Door, FileKind, Mode, OnFailure

__all__ = ["Action", "Context", "Decision", "Door", "Exemption", "FileKind", "Judged", "Mode", "OnFailure"]


@dataclass(frozen=True, slots=True)
class Context:
    """What is being judged and where it goes.

    ``path`` is relative to the server's or repository's root, '/'-separated. ``rendered``: an exporter made it of a
    notebook that has been judged, so what is over a budget in it was not in that.
    """

    door: Door
    path: str
    kind: FileKind
    rendered: bool = False


@dataclass(frozen=True, slots=True)
class Exemption:
    """The reviewed exception that let a finding pass. ``expires`` is an ISO date; a pragma has no owner and no end."""

    kind: Literal["baseline", "pragma"]
    reason: str
    owner: str = ""
    expires: str = ""

    @property
    def because(self) -> str:
        """Return ``baseline: teaching key, ada@lab.example, until 2027-01-01``."""
        until = f"until {self.expires}" if self.expires else ""
        return f"{self.kind}: {', '.join(part for part in (self.reason, self.owner, until) if part)}"


@dataclass(frozen=True, slots=True)
class Judged:
    """One finding with the action that policy gave it and the setting that decided.

    ``exemption`` is what let it pass; ``not_exempt`` says why an exception that fits it does not count.
    """

    finding: Finding
    action: Action
    because: str
    exemption: Exemption | None = None
    not_exempt: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict on one piece of content. ``action`` is the strictest of its parts.

    In mode ``observe`` and ``off`` the action is what *would* be done; the guard does not act on it.
    """

    action: Action
    mode: Mode
    judged: tuple[Judged, ...]
    unchecked: tuple[tuple[Unchecked, Action], ...]

    @property
    def code(self) -> Literal["", "held", "blocked"]:
        """The refusal's code: ``hold`` acts as ``block`` while approvals do not exist."""
        if self.action is Action.HOLD:
            return "held"
        return "blocked" if self.action is Action.BLOCK else ""

    @property
    def acts(self) -> bool:
        """Whether the guard is to do what ``action`` says."""
        return self.mode == "enforce"
