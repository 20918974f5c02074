"""The inline pragma: a comment beside a value that asks for an exception, as far as the policy lets it count.

In code and in plain files ``# qguard: allow <rule> reason="…"`` (or after //, --, %, ;, /*), in markdown
``<!-- qguard: allow <rule> reason="…" -->``; several rules are separated by commas. It must stand on the line on
which the value begins or ends, and counts in sources only: what a cell printed, and metadata, can ask for nothing.
detect-secrets' ``pragma: allowlist secret`` is no pragma of ours: it gives no reason.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from jupyter_qguard.scan.finding import Address
from jupyter_qguard.scan.fragments import CODE, CONTENT_MASK, KEY, SOURCE, TEXT, Leaf
from jupyter_qguard.scan.judge import climb
from jupyter_qguard.scan.redact import Hit, core_windows, windows_of

LONGEST_REASON = 200
_WORD = "qguard:"
_RULE = r"[a-z0-9]+(?:-[a-z0-9]+){0,12}"
_ASKS = re.compile(
    rf"""([#]|//|--|%|;|/\*|<!--)[ \t]{{0,8}}qguard:[ \t]{{0,8}}allow\b
    (?:[ \t]{{1,8}}({_RULE}(?:[ \t]{{0,8}},[ \t]{{0,8}}{_RULE}){{0,20}}))?
    (?:[ \t]{{1,8}}reason[ \t]{{0,8}}=[ \t]{{0,8}}(?:"([^"\n]{{0,400}})"|'([^'\n]{{0,400}})'))?""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Pragma:
    """One pragma. ``line`` is 1-based in its field; ``reason`` is "" where ``wrong`` says why it cannot count."""

    address: Address
    line: int
    rules: tuple[str, ...]
    reason: str
    wrong: str = ""

    def allows(self, rule: str) -> bool:
        """Return whether it asks for an exception for a rule and is complete."""
        return not self.wrong and rule in self.rules


def can_hold(leaf: Leaf, *, plain: bool) -> bool:
    """Return whether a leaf is a source: a cell's text or, if ``plain``, a whole file that is no notebook."""
    content, link = leaf[2] & CONTENT_MASK, leaf[1]
    if leaf[2] & KEY:
        return False
    if content == TEXT:
        return plain
    return content == SOURCE and leaf[3].index is not None and link is not None and link[1] in ("source", "input")


def pragmas_in(leaf: Leaf, address: Address, cores: Collection[str]) -> Iterator[Pragma]:
    """Yield the pragmas of one leaf that can hold them. ``cores`` are those of every finding in the content."""
    text = leaf[0]
    if _WORD not in text:
        return
    markdown = leaf[2] & CONTENT_MASK == SOURCE and not leaf[2] & CODE
    for match in _ASKS.finditer(text):
        if markdown and match[1] != "<!--":
            continue  # a heading, not a comment
        line = text.count("\n", 0, match.start()) + 1
        rules = tuple(name.strip() for name in (match[2] or "").split(",") if name.strip())
        reason = (match[3] or match[4] or "").strip()
        wrong = ""
        if not rules:
            wrong = "it names no rule"
        elif not reason:
            wrong = "it gives no reason"
        elif len(reason) > LONGEST_REASON or not reason.isprintable():
            wrong = f"its reason is not one line of at most {LONGEST_REASON} characters"
        elif any(core in reason for core in cores if core) or any(core_windows(reason, windows_of(cores))):
            wrong = "its reason shows part of what was found"  # a reason is published, a secret never
        yield Pragma(address, line, rules, "" if wrong else reason, wrong)


def lines_of(hit: Hit, leaf: Leaf) -> tuple[int, int]:
    """Return the 1-based lines of the leaf's text on which a hit begins and ends."""
    low, high = climb(hit.unit, hit.low, hit.high, lambda _unit: False)
    text = leaf[0]
    return text.count("\n", 0, low) + 1, text.count("\n", 0, max(low, high - 1)) + 1


def beside(pragmas: Sequence[Pragma], rule: str, lines: tuple[int, int]) -> Pragma | None:
    """Return the pragma on the line where a finding begins or ends that asks for its rule, if there is one."""
    return next((pragma for pragma in pragmas if pragma.line in lines and pragma.allows(rule)), None)
