"""The words of a policy file: actions, doors, content classes, modes (contract §3 and §8)."""

from __future__ import annotations

from enum import IntEnum
from typing import Literal, get_args

Mode = Literal["enforce", "observe", "off"]
OnFailure = Literal["refuse", "warn"]
Door = Literal[
    "save", "upload", "copy", "rename", "checkpoint", "restore", "download", "export", "collaborate", "commit"
]
FileKind = Literal["notebook", "text", "opaque"]
Role = Literal["default", "system", "user", "project"]


class Action(IntEnum):
    """Strictest last, so that ``max`` picks the verdict."""

    ALLOW = 0
    WARN = 1
    REDACT = 2
    HOLD = 3
    BLOCK = 4

    def __str__(self) -> str:
        return self.name.lower()


ACTIONS: dict[str, Action] = {str(action): action for action in Action}
PLAIN_ACTIONS: dict[str, Action] = {name: ACTIONS[name] for name in ("allow", "warn", "block")}
"""What a file that is no notebook can get: it is never rewritten, and ``hold`` needs something to hand back."""
MODES: tuple[Mode, ...] = ("off", "observe", "enforce")
"""Strictest last."""
History = Literal["leave", "redact", "off"]
HISTORY: tuple[History, ...] = ("leave", "redact", "off")
"""What IPython's history stores: what was typed, the redacted text, nothing. Strictest last."""
ON_FAILURE: tuple[OnFailure, ...] = ("warn", "refuse")
"""Strictest last."""
DOORS: tuple[Door, ...] = get_args(Door)
CONTENT: tuple[str, ...] = ("source", "output", "metadata", "text", "opaque")
PLAIN_CONTENT = frozenset({"text", "opaque"})

POLICY_NAME = "qguard.toml"
PYPROJECT_NAME = "pyproject.toml"
