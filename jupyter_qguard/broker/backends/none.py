"""The home where nothing is kept: every call says so."""

from __future__ import annotations

from collections.abc import Sequence

from jupyter_qguard.broker.records import Record
from jupyter_qguard.errors import KeepError
from jupyter_qguard.secret import Secret


class NoBackend:
    """Used for ``QGUARD_KEEP=none`` and for records whose home this version does not know."""

    name = "none"

    def __init__(self, reason: str = "QGUARD_KEEP=none says so") -> None:
        self._reason = reason

    def why_not(self) -> str | None:
        return self._reason

    def put(self, entries: Sequence[tuple[Record, Secret]]) -> list[str]:  # noqa: ARG002  (as in Backend)
        raise self._error()

    def get(self, record: Record) -> Secret:  # noqa: ARG002  (as in Backend)
        raise self._error()

    def drop(self, records: Sequence[Record]) -> None:
        """Nothing is here."""

    def _error(self) -> KeepError:
        return KeepError(f"Nothing is kept: {self._reason}.", "Unset QGUARD_KEEP to keep values.")
