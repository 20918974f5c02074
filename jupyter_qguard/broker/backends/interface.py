"""The seam behind kept values: what a home for a value does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from jupyter_qguard.broker.records import Record
from jupyter_qguard.secret import Secret


class Backend(Protocol):
    """Somewhere a value can live. Metadata is not its business: that stands in the record file.

    Every method is bounded in time and raises ``KeepError`` (never quoting a value) where it fails.
    """

    name: str
    """Stands in each record as ``home``; never changes once released."""

    def why_not(self) -> str | None:
        """Return why this machine cannot use it, as a clause, or None. May take seconds the first time."""

    def put(self, entries: Sequence[tuple[Record, Secret]]) -> list[str]:
        """Store values, all or none, durable together with the record file; return one ``box`` text per entry."""

    def get(self, record: Record) -> Secret:
        """Return the value of a record."""

    def drop(self, records: Sequence[Record]) -> None:
        """Forget values. One that is already gone is no error."""
