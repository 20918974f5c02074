"""File names as text that any terminal, log or JSON reader can take."""

from __future__ import annotations

import os
import re
from pathlib import Path

# C0 and C1 controls, line and paragraph separators, and the marks that reorder text: a name or a
# metadata key must not be able to move the cursor or forge a line of a report.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def shown(path: str | Path) -> str:
    """Return a path for display: bytes that are no UTF-8 and control characters are escaped."""
    return harmless(os.fsencode(path).decode("utf-8", "backslashreplace"))


def harmless(text: str) -> str:
    """Return ``text`` with control characters and lone surrogates written as escapes."""
    return _CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
