"""Short constructors, so that a family file reads as a table."""

from __future__ import annotations

from ..detector import Accept, Samples, TokenDetector, random_value
from ..finding import Rule, Severity, Tier


def token(
    rule: str | Rule,
    title: str,
    pattern: str,
    *,
    anchor: str | tuple[str, ...],
    why: str = "",
    true: tuple[str, ...],
    false: tuple[str, ...] = (),
    severity: Severity = "high",
    tier: Tier = "provider",
    accept: Accept = random_value,
    reach: tuple[int, int] = (400, 600),
) -> TokenDetector:
    """Return a detector for a marked token; ``rule`` is a new id or the rule of another detector."""
    if isinstance(rule, str):
        rule = Rule(rule, title, severity, tier, why or f"{title}: the shape alone tells")
    anchors = (anchor,) if isinstance(anchor, str) else anchor
    return TokenDetector(rule, anchors, pattern, accept, reach, Samples(true, false))
