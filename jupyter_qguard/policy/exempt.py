"""Reviewed exceptions: which findings a baseline or a pragma lets pass, as far as the policy lets those count.

An exempt finding stays in the decision, as ``allow``: it is reported and recorded like any other. An exception says
that a finding stops nothing. It does not protect its text: where another finding has to go, copies of *its* value go
everywhere, and so does what of the excepted text shares eight characters in a row with it in the same fragment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Protocol

from jupyter_qguard.policy.decide import query_of
from jupyter_qguard.policy.model import Action, Context, Decision, Exemption, FileKind, Judged
from jupyter_qguard.scan.baseline import digest, identity
from jupyter_qguard.scan.finding import Finding
from jupyter_qguard.scan.pragma import Pragma
from jupyter_qguard.scan.scanner import scan_text
from jupyter_qguard.secret import Secret
from jupyter_qguard.settings import BaselineFile, Entry, Policy

MOST_DIGESTS = 100
"""Digests made in one judgement, one per different value and salt: about 6 s of work at the very most, and only the
first time. What comes after is not exempt, which is the strict side."""


class Scanned(Protocol):
    """What is asked of a scan (``scan.result.Scan``); findings are named by their number."""

    @property
    def kind(self) -> FileKind: ...
    @property
    def findings(self) -> Sequence[Finding]: ...
    def value(self, number: int) -> Secret: ...
    def guessable(self, number: int) -> bool: ...
    def pragma(self, number: int) -> Pragma | None: ...


def exempt(decision: Decision, scan: Scanned, ctx: Context, policy: Policy) -> Decision:
    """Return the decision with what is excepted set to ``allow``. Never raises for content.

    Costs nothing where nothing was found; no digest is made for a rule that has no entry.
    """
    if not any(item.action > Action.ALLOW for item in decision.judged):
        return decision
    rules = policy.exceptions
    baseline = policy.baseline if rules.baseline == "allow" else None
    # An export is text made from a notebook: what its outputs say can ask for nothing.
    pragmas = rules.pragma_counts(ctx.door) and scan.kind == ctx.kind
    if baseline is None and not pragmas:
        return decision
    known = _Known(baseline)
    judged = tuple(
        _one(number, item, scan, ctx, policy, known, pragmas) if item.action > Action.ALLOW else item
        for number, item in enumerate(decision.judged)
    )
    actions = (*(item.action for item in judged), *(action for _, action in decision.unchecked))
    return replace(decision, action=max(actions, default=Action.ALLOW), judged=judged)


def _one(
    number: int, item: Judged, scan: Scanned, ctx: Context, policy: Policy, known: _Known, pragmas: bool
) -> Judged:
    entry, refused = known.entry(item.finding.rule.id, scan.value(number))
    if entry is not None:
        refused = why_not(entry, item, ctx, policy, known.below(policy.path), guessable=scan.guessable(number))
        if not refused:
            return _exempt(item, Exemption("baseline", entry.reason, entry.owner, str(entry.expires)))
    asked = scan.pragma(number) if pragmas else None
    if asked is not None:
        strict = _too_strict(item, ctx, policy)
        if not strict:
            return _exempt(item, Exemption("pragma", asked.reason))
        refused = refused or f"a pragma allows it, but {strict}"
    return replace(item, not_exempt=refused)


def why_not(entry: Entry, item: Judged, ctx: Context, policy: Policy, path: str, *, guessable: bool) -> str:
    """Return why an entry that fits a finding does not count, "" if it does. ``path`` is below the baseline."""
    if quotes_a_secret(entry):  # first: the next sentence names ``only``
        return "a baseline entry fits, but its reason, owner or `only` holds what looks like a secret"
    if not entry.covers(path):
        return f"a baseline entry fits, but counts only in {entry.only}"
    if guessable and not entry.guessable:
        return "a baseline entry fits, but the value can be guessed and the entry does not say guessable = true"
    refused = policy.exceptions.refuses(entry.owner, entry.expires, policy.now) or _too_strict(item, ctx, policy)
    return f"a baseline entry fits, but {refused}" if refused else ""


def quotes_a_secret(entry: Entry) -> bool:
    """Whether what an entry says for itself cannot be shown: it goes into reports, replies and the record."""
    return any(_looks_secret(text) for text in (entry.reason, entry.owner, entry.only) if text)


@lru_cache(maxsize=1024)
def _looks_secret(text: str) -> bool:
    return bool(scan_text(text).findings)


def _too_strict(item: Judged, ctx: Context, policy: Policy) -> str:
    return policy.exceptions.too_strict(item.action, policy.least(query_of(item.finding, ctx)))


def _exempt(item: Judged, exemption: Exemption) -> Judged:
    return replace(item, action=Action.ALLOW, because=exemption.because, exemption=exemption)


class _Known:
    """The entries that the values of one judgement have, each value looked up once."""

    def __init__(self, baseline: BaselineFile | None) -> None:
        self._baseline = baseline
        self._found: dict[bytes, Entry | None] = {}

    def below(self, path: str) -> str:
        return self._baseline.below(path) if self._baseline else path

    def entry(self, rule: str, value: Secret) -> tuple[Entry | None, str]:
        """Return the entry of a value and "", or None and why it was not looked for ("" if there is none)."""
        if self._baseline is None or rule not in self._baseline.rules:
            return None, ""
        name = identity(value)
        if name not in self._found:
            if (len(self._found) + 1) * len(self._baseline.salts) > MOST_DIGESTS:
                return None, f"not compared with the baseline after {len(self._found)} different values in one file"
            found = (self._baseline.find(rule, digest(value, salt)) for salt in self._baseline.salts)
            self._found[name] = next((entry for entry in found if entry is not None), None)
        return self._found[name], ""
