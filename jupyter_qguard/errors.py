"""Errors that own their human advice.

A message says what happened and where; ``hint`` says what to do next. Neither
ever quotes input: a message may end in a log, a reply or a terminal.
"""


class QGuardError(Exception):
    """Base of every error this package raises on purpose."""

    code = "error"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def sentence(self) -> str:
        """Return message and hint as one line for a person."""
        return f"{self.message} {self.hint}".strip()


class ConfigError(QGuardError):
    """A policy or setting cannot be used as written."""

    code = "config"


class InputError(QGuardError):
    """A file or request cannot be judged as it is (exit 2 or a 4xx)."""

    code = "input"


class RedactionError(QGuardError):
    """A redaction failed its own check afterwards; nothing may be written."""

    code = "redaction"


class KeepError(QGuardError):
    """A value could not be kept for its owner, so it must not be removed."""

    code = "keep"


class LedgerError(QGuardError):
    """A decision could not be recorded."""

    code = "ledger"
