"""A redaction checks itself: nothing outside its ranges changed, nothing of a core is left."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from jupyter_qguard.errors import RedactionError
from jupyter_qguard.scan.carriers import expand
from jupyter_qguard.scan.fragments import CODE, KEY, Leaf
from jupyter_qguard.scan.limits import Limits
from jupyter_qguard.scan.redact import MARKER, Echoes, LeafRedaction, core_windows, windows_of
from jupyter_qguard.scan.redact_code import MOST_PARSED, parses

_HINT = "Nothing was written. Please report this: it is a fault of the redaction."


def _fail(what: str) -> RedactionError:
    return RedactionError(f"A redaction failed its own check: {what}.", _HINT)


def check_leaf(leaf: Leaf, done: LeafRedaction, cores: Iterable[str], python: bool, limits: Limits) -> None:
    """Raise RedactionError unless one leaf changed inside its ranges only and keeps no window of a core."""
    old, new = leaf[0], done.text
    at = shift = 0
    for start, end, text in done.replacements:
        if start < at or old[at:start] != new[at + shift : start + shift]:
            raise _fail("text outside the secrets changed")
        if new[start + shift : start + shift + len(text)] != text:
            raise _fail("a marker is not where it belongs")
        shift += len(text) - (end - start)
        at = end
    if old[at:] != new[at + shift :]:
        raise _fail("text outside the secrets changed")
    after: Leaf = (new, *leaf[1:])
    expansion = expand([after], limits)
    windows = windows_of(cores)
    for text in [new, *(unit.text for unit in expansion.units)]:
        if next(core_windows(MARKER.sub("\0", text), windows), None) is not None:
            raise _fail("part of a secret is left")
    is_code = python and leaf[2] & CODE and not leaf[2] & KEY and len(old) <= MOST_PARSED
    if is_code and parses(old) and not parses(new):
        raise _fail("code no longer parses")


def check_content(expected: Sequence[str], leaves: Sequence[Leaf], cores: Iterable[str], limits: Limits) -> None:
    """Raise RedactionError unless the redacted content has exactly the ``expected`` texts and no long core."""
    if len(expected) != len(leaves):
        raise _fail("the notebook's structure changed")
    for text, leaf in zip(expected, leaves, strict=True):
        if leaf[0] != text and not (leaf[2] & KEY and leaf[0].startswith(text)):
            raise _fail("a text that holds no secret changed")
    cores = list(cores)
    if not cores:
        return
    finder = Echoes(cores)
    expansion = expand(leaves, limits)
    for index, leaf in enumerate(leaves):
        if index not in expansion.verified and any(finder.find(leaf[0])):
            raise _fail("a copy of a secret is left")
    for unit in expansion.units:
        if any(finder.find(unit.text)):
            raise _fail("an encoded copy of a secret is left")
