"""Builds one rule per plug-in of detect-secrets; the tables are ``yelp_rules.py`` and ``yelp_context.py``."""

from __future__ import annotations

import re
from collections.abc import Callable

from ..detector import Samples, TokenDetector
from ..finding import Rule, Severity, Tier
from ..placeholders import is_placeholder, looks_random, mixed
from . import urls
from .yelp import LONG_LINE, Pairs, PluginDetector, by_regex


def shared(detectors: tuple[TokenDetector, ...], rule_id: str) -> Rule:
    """Return the rule that our own detector of the same kind has."""
    return next(detector.rule for detector in detectors if detector.rule.id == rule_id)


def aws(value: str) -> bool:
    """Accept key ids and secrets, the documented examples aside."""
    return looks_random(value) and not value.endswith(("EXAMPLE", "EXAMPLEKEY")) and (len(value) == 20 or mixed(value))


def keyword(value: str) -> bool:
    """Accept a value that is no stand-in, no reference to something else and no prose."""
    return len(value) >= 4 and not is_placeholder(value) and re.search(r"[()\[\]{}$%]|\.\w+\.", value) is None


def mixed_random(value: str) -> bool:
    """Accept random upper, lower and digit together."""
    return mixed(value) and looks_random(value)


def url_password(value: str) -> bool:
    """Accept what is no stand-in for a password."""
    return len(value) >= 3 and not is_placeholder(value) and value.lower() not in urls.DULL


def no_placeholder(value: str) -> bool:
    """Accept what is no stand-in and no documented example."""
    return not is_placeholder(value)


def always(_value: str) -> bool:
    """Accept everything."""
    return True


def plugin(
    name: str,
    rule: Rule,
    anchors: tuple[str, ...],
    find: Callable[[str, str], Pairs] = by_regex,
    *,
    keep: Callable[[str], bool] = looks_random,
    extend: str = "",
    true: tuple[str, ...],
    false: tuple[str, ...] = (),
    longest: int = LONG_LINE,
    unless: str = "",
) -> PluginDetector:
    """Return the detector of the plug-in ``module.Class``."""
    return PluginDetector(rule, anchors, name, find, keep, extend, Samples(true, false), longest, unless)


_WHY: dict[Tier, str] = {
    "provider": "the shape alone tells",
    "context": "the name before it tells",
    "generic": "a hint only",
}


def new_rule(rule_id: str, title: str, tier: Tier = "provider", severity: Severity = "high") -> Rule:
    """Return a rule of a plug-in that no detector of our own covers."""
    return Rule(rule_id, title, severity, tier, f"{title}: {_WHY[tier]}", low_entropy=tier == "generic")
