"""The catalogue of rules: what can be found. ``python -m jupyter_qguard.scan.rules`` prints docs/rules.md."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from .detectors import all_detectors
from .finding import Rule


def _catalogue() -> Mapping[str, Rule]:
    rules: dict[str, Rule] = {}
    for detector in all_detectors():
        known = rules.setdefault(detector.rule.id, detector.rule)
        if known != detector.rule:
            raise AssertionError(f"two different rules are called {known.id}")
    return MappingProxyType(dict(sorted(rules.items())))


ALL: Mapping[str, Rule] = _catalogue()
"""Every rule by its id, sorted."""


def get(rule_id: str) -> Rule | None:
    """Return the rule of that id, None if there is none."""
    return ALL.get(rule_id)


@cache
def digest(version: str) -> str:
    """Return a digest of what can be found: rules, what announces them, and the ``version`` of the code that looks."""
    said = hashlib.sha256(version.encode())
    for detector in all_detectors():
        said.update("\0".join((detector.rule.id, *detector.anchors, "\n")).encode())
    return said.hexdigest()


_HEAD = """# Rules

What can be found, generated from the code (`python -m jupyter_qguard.scan.rules > docs/rules.md`).
Rule ids never change once released.

- **provider**: the shape alone proves it. Redacted by default.
- **context**: the shape and the place it stands in. Redacted by default.
- **generic**: entropy or a keyword only. Warns by default, never changes or stops anything.

Nothing is ever verified with a vendor: no rule makes a network connection.

| rule | what | severity | tier | why it fires |
|---|---|---|---|---|
"""


def markdown() -> str:
    """Return docs/rules.md."""
    rows = (f"| `{rule.id}` | {rule.title} | {rule.severity} | {rule.tier} | {rule.why} |\n" for rule in ALL.values())
    return _HEAD + "".join(rows)


if __name__ == "__main__":
    sys.stdout.write(markdown())
