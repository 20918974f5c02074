"""Gitignore-like path patterns for ``[[paths]]``, without negation."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass

MAX_PATTERN = 1024


@dataclass(frozen=True, slots=True)
class Glob:
    """A compiled pattern. Build with :func:`compile_glob`.

    ``segments`` are per-folder regular expressions; None stands for ``**``. Matching
    is O(pattern segments x path segments), each step a regular expression that
    :mod:`fnmatch` builds with atomic groups, so that a hostile pattern costs no more
    than an honest one.
    """

    text: str
    segments: tuple[re.Pattern[str] | None, ...]
    folder_only: bool

    def matches(self, path: str) -> bool:
        """Return whether ``path`` ('/'-separated, relative) or a folder above it matches."""
        parts = [part for part in path.split("/") if part]
        if self.folder_only and parts:
            parts = parts[:-1]
        # reachable[i]: the first i parts can be consumed by the segments so far
        reachable = {0}
        for index, segment in enumerate(self.segments):
            if segment is None:
                start = min(reachable, default=len(parts))
                # a trailing ** needs something beneath: `a/**` is not `a`
                first = start + 1 if index == len(self.segments) - 1 else start
                reachable = set(range(first, len(parts) + 1))
            else:
                reachable = {i + 1 for i in reachable if i < len(parts) and segment.match(parts[i])}
            if not reachable:
                return False
        return bool(parts)


def compile_glob(text: str) -> Glob:
    """Compile one pattern. Raises ValueError with a sentence that says what is wrong with it.

    As in gitignore: a pattern without a slash (or with one at its end only) holds at any
    depth, ``*`` and ``?`` stay inside one folder name, ``**`` spans folders, and a folder
    that matches takes in everything beneath.
    """
    if not text.strip():
        raise ValueError("is empty")
    if len(text) > MAX_PATTERN:
        raise ValueError(f"is longer than {MAX_PATTERN} characters")
    if text.startswith("!"):
        raise ValueError("starts with '!': a pattern cannot be negated; order the entries instead, the last match wins")
    if "\\" in text or "\0" in text:
        raise ValueError("holds a backslash or NUL: separate folders with '/', and write [*] for a literal star")
    folder_only = text.endswith("/")
    body = text.strip("/")
    parts = [part for part in body.split("/") if part not in ("", ".")]
    if not parts:
        raise ValueError("names no file; write ** for every file")
    if ".." in parts:
        raise ValueError("holds '..': a pattern reaches downward only")
    anchored = text.startswith("/") or "/" in body
    segments: list[re.Pattern[str] | None] = [] if anchored else [None]
    for part in parts:
        if part == "**":
            if not segments or segments[-1] is not None:
                segments.append(None)
        else:
            segments.append(re.compile(fnmatch.translate(part)))
    return Glob(text=text, segments=tuple(segments), folder_only=folder_only)
