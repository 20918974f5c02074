"""Actions, doors and the shape of a decision (contract §3 and §8)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from jupyter_qguard.scan.finding import Finding, Unchecked

Mode = Literal["enforce", "observe", "off"]
OnFailure = Literal["refuse", "warn"]
Door = Literal[
    "save", "upload", "copy", "rename", "checkpoint", "restore", "download", "export", "collaborate", "commit"
]
FileKind = Literal["notebook", "text", "opaque"]


class Action(IntEnum):
    """Strictest last, so that ``max`` picks the verdict."""

    ALLOW = 0
    WARN = 1
    REDACT = 2
    HOLD = 3
    BLOCK = 4

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Context:
    """What is being judged and where it goes.

    ``path`` is relative to the server's or repository's root, '/'-separated.
    """

    door: Door
    path: str
    kind: FileKind


@dataclass(frozen=True, slots=True)
class Judged:
    """One finding with the action that policy gave it and the setting that decided."""

    finding: Finding
    action: Action
    because: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict on one piece of content. ``action`` is the strictest of its parts."""

    action: Action
    mode: Mode
    judged: tuple[Judged, ...]
    unchecked: tuple[tuple[Unchecked, Action], ...]
