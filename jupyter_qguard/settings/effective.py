"""The policy of one path at one moment."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from jupyter_qguard.settings.baseline_file import BaselineFile
from jupyter_qguard.settings.baselines import Baselines
from jupyter_qguard.settings.exceptions import Exceptions
from jupyter_qguard.settings.explain import Row, rows, table
from jupyter_qguard.settings.modes import ModeChoice
from jupyter_qguard.settings.stack import Query, Stack, Verdict
from jupyter_qguard.settings.words import Action, Mode, OnFailure


@dataclass(frozen=True, slots=True)
class Policy:
    """The effective policy of one file, at one moment. ``path`` is relative to the root; ``now`` is aware."""

    stack: Stack
    path: str
    now: datetime
    choice: ModeChoice
    baselines: Baselines | None = None

    @property
    def mode(self) -> Mode:
        """Return what is done with a verdict: ``enforce``, ``observe`` or ``off``."""
        return self.stack.mode

    @property
    def on_failure(self) -> OnFailure:
        """Return what a scanner failure leads to: ``refuse`` or ``warn``."""
        return self.stack.on_failure

    @property
    def digest(self) -> str:
        """Return SHA-256 (hex) over policy and baseline in canonical form; the same on every machine that agrees."""
        baseline = self.baseline
        if baseline is None or self.exceptions.baseline == "ignore":
            return self.stack.digest
        both = f"{self.stack.digest} {baseline.digest(self.now)}"
        return hashlib.sha256(both.encode()).hexdigest()

    @property
    def exceptions(self) -> Exceptions:
        """Return how far baselines and pragmas count here."""
        return self.stack.exceptions

    @property
    def baseline(self) -> BaselineFile | None:
        """Return the baseline that lies nearest, None if there is none or it cannot be used."""
        return self.baselines.nearest(self.path) if self.baselines else None

    def least(self, query: Query) -> Action:
        """Return what the administrator's files alone ask for."""
        return self.stack.least(self._at(query), self.now)

    def judge(self, query: Query) -> Verdict:
        """Return the verdict for one question; its ``path`` is replaced by this policy's."""
        return self.stack.judge(self._at(query), self.now)

    def _at(self, query: Query) -> Query:
        return Query(query.door, query.content, self.path, query.rule, query.generic, query.special)

    def explain(self) -> list[Row]:
        """Return every setting with its value and where it comes from, for ``qguard policy show``."""
        return rows(self.stack, self.path, self.now, self.choice)

    def table(self) -> list[tuple[str, str, Verdict]]:
        """Return (door, content class, verdict) for provider rules on this path, for ``qguard policy explain``."""
        return table(self.stack, self.path, self.now)
