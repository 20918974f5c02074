"""What a clean-up came upon, and what is done about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from jupyter_qguard.cli.names import shown
from jupyter_qguard.messages import count

Kind = Literal["checkpoint", "leftover", "temporary", "history", "store", "trash", "shadow", "workspace", "file"]
Action = Literal["redact", "delete", "report"]

TITLES: dict[Kind, str] = {
    "checkpoint": "checkpoint",
    "leftover": "left behind by a save",
    "temporary": "our own temporary file",
    "history": "IPython history",
    "store": "collaboration store",
    "trash": "in the trash",
    "shadow": "written for a language server",
    "workspace": "JupyterLab's own state",
    "file": "",
}


@dataclass(frozen=True, slots=True)
class Spot:
    """A file that a clean-up may have to do with. ``parts`` lead from ``base`` to it; none of them is a link."""

    kind: Kind
    base: Path
    parts: tuple[str, ...]

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.base.joinpath(*self.parts)

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.parts[-1]


@dataclass(slots=True)
class Item:
    """One place with something to do. ``act`` does it; it raises QGuardError or OSError and then nothing was done.

    ``why`` says what is done and for which reason, in a clause; ``problem`` why it could not be judged or cleaned;
    ``findings`` are rows of contract §5; ``done`` what was done, for people.
    """

    spot: Spot
    action: Action
    why: str
    findings: list[dict[str, Any]] = field(default_factory=list)
    problem: str = ""
    done: str = ""
    kept: int = 0
    act: Callable[[], Done] | None = None

    @property
    def path(self) -> str:
        """The file's path as it can be shown."""
        return shown(self.spot.path)

    def what(self) -> str:
        """Return ``2 secrets: aws-access-key-id, github-token``."""
        if not self.findings:
            return ""
        rules = Counter(str(row["rule"]) for row in self.findings)
        return f"{count(len(self.findings), 'secret')}: {', '.join(sorted(rules))}"


@dataclass(frozen=True, slots=True)
class Done:
    """What was done: a clause for people, and how many values were kept first."""

    text: str
    kept: int = 0
