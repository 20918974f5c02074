"""Exit codes (the same for every command) and the one way to fail."""

from __future__ import annotations

import sys

from jupyter_qguard.errors import QGuardError

CLEAN = 0
"""Clean, or done."""
FOUND = 1
"""Findings at or above ``--fail-on``, or a check that did not pass."""
FAILED = 2
"""Could not judge: bad input, bad policy, input/output. Beats 1."""


class Exit(Exception):
    """Leave with a code; whatever had to be said was said."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class UsageError(QGuardError):
    """The command line itself cannot be understood."""

    code = "usage"


def say(text: str) -> None:
    """Write one line for a person to stderr, so that stdout stays the result alone."""
    print(text, file=sys.stderr)


def os_reason(error: OSError) -> str:
    """Return why the operating system refused, in lower case and without any file name."""
    reason = error.strerror or "input/output error"
    return reason[:1].lower() + reason[1:]


def place(error: BaseException) -> str:
    """Return the kind of an exception and the innermost line of ours that it passed through."""
    trace, place = error.__traceback__, "?"
    while trace is not None:
        name = trace.tb_frame.f_globals.get("__name__", "")
        if name.startswith("jupyter_qguard"):
            place = f"{name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{type(error).__name__} at {place}"
