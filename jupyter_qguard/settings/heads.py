"""``[ledger]``: where the record's signed heads are kept besides the data folder. Only in system and user files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath, PureWindowsPath
from urllib.parse import urlsplit

from jupyter_qguard.settings.policy_file import PolicyFile

HEADS = ("head_file", "head_git", "head_url")
"""A folder; a git repository; an http or https address."""
_URL = re.compile(r"[!-~]{1,2000}")


def why_no_place(key: str, value: object) -> tuple[str, str] | None:
    """Return what is wrong with a value and what to write instead, None if it is right. Quotes nothing of it."""
    if not isinstance(value, str):
        return "must be a string.", ""
    if key != "head_url":
        absolute = value.startswith("~/") or PurePosixPath(value).is_absolute() or PureWindowsPath(value).is_absolute()
        fits = absolute and value.isprintable()
        return None if fits else ("must be an absolute path.", f'Write {key} = "/mnt/audit/qguard".')
    try:
        parts = urlsplit(value)
        extra = parts.username or parts.password or parts.query or parts.fragment
        sound = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:  # among others: a port that is none
        sound, extra = False, None
    if not sound or not _URL.fullmatch(value):
        return "must be an http or https address.", 'Write head_url = "https://audit.lab.example/heads/".'
    if extra:
        return "must have no user, password, query or fragment.", "A policy file is no place for a credential."
    return None


def head_places(layers: Sequence[PolicyFile]) -> tuple[tuple[str, str, PolicyFile], ...]:
    """Return (key, place, who says so), each once: what a system file asks for, and what the user adds to it."""
    found: dict[tuple[str, str], PolicyFile] = {}
    for layer in layers:
        for place in layer.heads:
            found.setdefault(place, layer)
    return tuple((*place, layer) for place, layer in found.items())
