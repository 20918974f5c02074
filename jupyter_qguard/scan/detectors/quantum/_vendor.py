"""Builds the usual contexts of one vendor: its calls, its environment variables, its headers."""

from __future__ import annotations

from collections.abc import Callable

from ...detector import Detector, Samples
from ...finding import Rule
from .._assign import ASSIGN, LOOSE, VALUE, strong, strong_value
from .._calls import CallDetector
from .._make import token

KEYWORDS = r"(?i)\w*(?:token|api_?key|secret|passw|access_key|connection_string|credential)\w*|auth|key|pwd|pw|password"


def _strong_literal(value: str, depth: int) -> bool:
    """Accept a literal of unknown shape as an argument itself, not inside another call."""
    return depth == 1 and strong_value(value)


def vendor(
    rule: Rule,
    *,
    calls: tuple[tuple[str, tuple[int, ...]], ...] = (),
    env: str = "",
    shape: str = "",
    keywords: str = KEYWORDS,
    call_true: tuple[str, ...] = (),
    call_false: tuple[str, ...] = (),
    env_true: tuple[str, ...] = (),
    env_false: tuple[str, ...] = (),
    accept: Callable[[str], bool] | None = None,
    near: str = "",
) -> tuple[Detector, ...]:
    """Return the detectors of a vendor.

    ``shape`` is the value's regex where it is known; without one a value must pass as a strong secret of any form.
    ``accept`` judges values of a known shape. ``near`` is a word that must stand near a call of a common name.
    """
    detectors: list[Detector] = []
    if calls:
        judge = (lambda value, _depth: accept(value)) if accept else _strong_literal
        shape_or_any = shape or r"[^\s]{8,4000}"
        detectors.append(CallDetector(rule, calls, keywords, shape_or_any, judge, Samples(call_true, call_false), near))
    if env:
        known = rf"(?:{LOOSE})(?P<span>{shape})(?![A-Za-z0-9_/+=-])"
        unknown = rf"{ASSIGN}(?P<span>{VALUE})"
        detectors.append(
            token(
                rule,
                rule.title,
                rf"(?<![A-Za-z0-9])(?:{env})" + (known if shape else unknown),
                anchor=f"(?:{env})",
                accept=(lambda match: accept(match["span"])) if accept and shape else strong,
                reach=(200, 4200),
                true=env_true,
                false=env_false,
            )
        )
    return tuple(detectors)
