"""The multi-pattern pass by ``re``, where hyperscan cannot be had. Finds the same, some fifty times slower."""

from __future__ import annotations

import re
from functools import cache


class ReFinder:
    """Searches bytes for each anchor in turn. Thread-safe."""

    def __init__(self, anchors: tuple[str, ...]) -> None:
        self._anchors = tuple(anchor.encode("ascii") for anchor in anchors)

    def find(self, data: bytes) -> list[tuple[int, int]]:
        """Return (end offset, pattern index) of anchor matches.

        Goes on one character before the end of each match, because two anchors may share
        the character between them (a delimiter that both consume).
        """
        found: list[tuple[int, int]] = []
        for number, anchor in enumerate(self._anchors):
            search = _compiled(anchor).search
            match = search(data)
            while match is not None:
                found.append((match.end(), number))
                match = search(data, max(match.end() - 1, match.start() + 1))
        return found


@cache
def _compiled(anchor: bytes) -> re.Pattern[bytes]:
    return re.compile(anchor)
