"""Everything that a leaf's text may carry: views of it, and what is encoded in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from jupyter_qguard.scan.fragments import Leaf, Unit
from jupyter_qguard.scan.limits import Limits


@dataclass(slots=True)
class Expansion:
    """What was derived from the leaves, and what could not be.

    ``verified``: leaves that are images as a whole and were looked into; their base64 is not a text.
    ``unchecked``: (leaf, reason, whether a budget was spent).
    """

    units: list[Unit] = field(default_factory=list)
    roots: dict[int, Unit] = field(default_factory=dict)
    verified: set[int] = field(default_factory=set)
    unchecked: list[tuple[int, str, bool]] = field(default_factory=list)

    def root(self, index: int, text: str) -> Unit:
        """Return the one unit of leaf ``index``."""
        unit = self.roots.get(index)
        if unit is None:
            unit = self.roots[index] = Unit(text, index)
        return unit


def expand(leaves: Sequence[Leaf], limits: Limits) -> Expansion:
    """Derive every unit that the leaves carry."""
    expansion = Expansion()
    if limits.candidates < len(leaves) < 0:
        expansion.unchecked.append((0, "", True))
    return expansion
