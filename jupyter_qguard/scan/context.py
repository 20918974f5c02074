"""The line around a finding for a person who reviews it, with everything that was found taken out."""

from __future__ import annotations

from collections.abc import Sequence

from jupyter_qguard.scan.fragments import Leaf
from jupyter_qguard.scan.judge import climb
from jupyter_qguard.scan.redact import Hit, core_windows, windows_of

MASK = "***"
_AROUND = 60
"""Characters shown on either side."""


def masked_line(hit: Hit, hits: Sequence[Hit], leaf: Leaf, cores: Sequence[str]) -> str:
    """Return the line on which ``hit`` begins, values as ``***``; "" where that cannot be done safely.

    ``hits`` are all findings of the leaf, ``cores`` those of the whole content. What stands encoded is masked as a
    whole run; a value that no rule found cannot be masked.
    """
    text = leaf[0]
    spans = [climb(one.unit, one.low, one.high, lambda _unit: False) for one in hits]
    spans += core_windows(text, windows_of(cores))
    for core in set(cores):  # too short for a window
        at = text.find(core) if core else -1
        while at >= 0:
            spans.append((at, at + len(core)))
            at = text.find(core, at + 1)
    low, _ = climb(hit.unit, hit.low, hit.high, lambda _unit: False)
    begin, end = text.rfind("\n", 0, low) + 1, text.find("\n", low)
    end = len(text) if end < 0 else end
    left, right = _masked(text, spans, begin, low), _masked(text, spans, low, end)
    shown = ("…" if len(left) > _AROUND else "") + left[-_AROUND:] + right[:_AROUND]
    shown += "…" if len(right) > _AROUND else ""
    return "" if any(core_windows(shown, windows_of(cores))) else shown.strip()


def _masked(text: str, spans: Sequence[tuple[int, int]], begin: int, end: int) -> str:
    """Return text[begin:end] with the spans replaced."""
    out, here = [], begin
    for low, high in sorted(spans):
        low, high = max(low, here), min(high, end)
        if low < high:
            out += [text[here:low], MASK]
            here = high
    return "".join([*out, text[here:end]])
