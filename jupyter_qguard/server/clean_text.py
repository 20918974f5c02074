"""Take secrets out of text that is about to be logged or sent as an error: no document, nothing to give back later.

Only provider- and context-shaped rules apply; in a log line everything of high entropy would be one otherwise (hashes,
ids). Markers carry no fingerprint here: a log is read by others than the notebook's owner.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote

from jupyter_qguard.scan.engine import default_engine

LONGEST: Final = 256 * 1024
"""Characters looked into; a longer text is cut off there, and says so. About half a millisecond when clean."""
_OVERLAP: Final = 8 * 1024
"""Characters before the cut that are left out as well: a secret across the cut would be half a secret."""
_ESCAPES = re.compile(r"\\[nrtbf0v'\"]|\x1b\[[0-9;]*[A-Za-z]|\\x1b\[[0-9;]*[A-Za-z]|\\u001b\[[0-9;]*[A-Za-z]")
_QUOTED = re.compile(r"[^\s\"'<>]*%[0-9A-Fa-f]{2}[^\s\"'<>]*")
_URL_MARKS = "/:?&=#@,;+[]()!*~$"


def clean(text: str) -> str:
    """Return ``text`` with a marker in place of each secret; the same object where there is none.

    Percent-encoded words (URLs in access logs) are looked into as they decode. Raises whatever the scanner raises;
    what was to be cleaned must not be used then.
    """
    cut = len(text) > LONGEST
    seen = text[:LONGEST] if cut else text
    done = _marked(seen, _spans(seen))
    if "%" in done:
        done = _QUOTED.sub(_unquoted, done)
    if cut:
        left = len(text) - LONGEST + _OVERLAP
        return f"{done[: len(done) - _OVERLAP]} … ({left} more characters are left out)"
    return text if done == text else done


def _spans(text: str) -> list[tuple[int, int, str]]:
    """Return start, end and rule of the secrets in ``text``, by position, without overlaps."""
    engine = default_engine()
    views = [text]
    if "\\" in text or "\x1b" in text:
        # An escape in front of a token would count as a part of it; blanks of the same length keep the places.
        views.append(_ESCAPES.sub(lambda found: " " * len(found[0]), text))
    found = {
        (hit.match.span.start, hit.match.span.end, hit.rule.id)
        for view in views
        for hit in engine.scan([view], generic=[False])
    }
    kept: list[tuple[int, int, str]] = []
    for start, end, rule in sorted(found):
        if kept and start < kept[-1][1]:
            kept[-1] = (kept[-1][0], max(end, kept[-1][1]), kept[-1][2])
        else:
            kept.append((start, end, rule))
    return kept


def _marked(text: str, spans: list[tuple[int, int, str]]) -> str:
    if not spans:
        return text
    pieces, at = [], 0
    for start, end, rule in spans:
        pieces += [text[at:start], f"[REDACTED:{rule}:00000000]"]
        at = end
    return "".join([*pieces, text[at:]])


def _unquoted(word: re.Match[str]) -> str:
    """Return a percent-encoded word as it is, or cleaned and encoded again where it decodes to a secret."""
    plain = unquote(word[0])
    for _ in range(2):  # encoded twice, as a query inside a query is
        spans = _spans(plain)
        if spans:
            return quote(_marked(plain, spans), safe=_URL_MARKS)
        if "%" not in plain:
            break
        plain = unquote(plain)
    return word[0]
