"""Which of many texts may hold an encoded run or read differently: all of them searched at once.

Three necessary conditions, each by one pass over the joined UTF-8 that stops at the first match, and goes on
behind the text that it is in. What passes is looked at exactly (``carriers``, ``views``); where hyperscan
cannot be had, everything passes. The patterns follow from the regexes of ``views`` and the run of ``carriers``.
"""

from __future__ import annotations

import os
import threading
from bisect import bisect_right
from collections.abc import Collection, Sequence
from itertools import accumulate
from typing import Final, Protocol

from jupyter_qguard.scan.engine import batches, usual_cache_dir

_WORD = r"A-Za-z0-9_+/=.\x80-\xff-"
RUN: Final = "[A-Za-z0-9+/]{24}"
"""As long as ``carriers.SHORTEST``. Alone, because the engine skips through a plain repeat some ten times faster."""
TAG: Final = rf"[{_WORD}](?:<[^<>]+>)+[{_WORD}&]"
"""``views._INNER_TAG`` without its bounds; any character that is not ASCII may be a letter."""
OTHER: Final = (
    r"\\(?:u00[2-7]|x[2-7][0-9a-fA-F]|[\"'/]|[nrt][A-Za-z0-9_+/-]{12})",
    r"%[2-7][0-9A-Fa-f]",
    r"&(?:#[0-9xX]|[A-Za-z][A-Za-z0-9]{1,30};)",
    # ESC, NUL and what is not seen: U+009B U+00AD U+200B U+200C U+200D U+2060 U+FEFF
    r"\x1b|\x00|\xc2[\x9b\xad]|\xe2\x80[\x8b-\x8d]|\xe2\x81\xa0|\xef\xbb\xbf",
)


LONG_WORD: Final = "[!-~]{20}"
"""What ``binary.words`` looks for."""


class First(Protocol):
    """Finds where the first match ends."""

    def first(self, data: memoryview) -> int | None:
        """Return the end of the match that ends first, None if there is none."""
        ...


_lock = threading.Lock()
_gates: Sequence[First] | None = None


def suspects(texts: Sequence[str]) -> Collection[int]:
    """Return the indexes of all texts that may carry something (of a few others, too)."""
    gates = _built()[:-1]
    if not gates:
        return range(len(texts))
    found: set[int] = set()
    for first, batch in batches(texts):
        data = memoryview(b"\n".join((b"", *batch)))
        starts = list(accumulate((len(part) + 1 for part in batch), initial=0))  # of the newline before each
        for gate in gates:
            index = 0
            while index < len(batch) and (end := gate.first(data[starts[index] :])) is not None:
                index = bisect_right(starts, starts[index] + end - 1)
                found.add(first + index - 1)
    return found


def has_long_word(data: bytes) -> bool:
    """Return whether there may be a run of 20 printable characters without a space."""
    gates = _built()
    return not gates or gates[-1].first(memoryview(data)) is not None


def _built() -> Sequence[First]:
    global _gates
    if _gates is None:
        with _lock:
            if _gates is None:
                _gates = _build()
    return _gates


def _build() -> Sequence[First]:
    if os.environ.get("QGUARD_NO_HYPERSCAN") == "1":
        return ()
    try:
        from jupyter_qguard.scan.engine_hyperscan import FirstFinder
    except ImportError:
        return ()
    folder = usual_cache_dir()
    return tuple(FirstFinder(patterns, folder) for patterns in ((RUN,), (TAG,), OTHER, (LONG_WORD,)))
