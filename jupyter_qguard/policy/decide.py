"""Findings and context in, decision out. Pure: no file, clock, or environment is read here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from jupyter_qguard.policy.model import Action, Context, Decision, Judged
from jupyter_qguard.scan.finding import Finding, Unchecked
from jupyter_qguard.settings import Policy, Query, Special, Verdict

NOTEBOOK_CLASSES = frozenset({"source", "output", "metadata"})
_SOURCE_FIELDS = ("source", "attachments", "worksheets")


def decide(findings: Sequence[Finding], unchecked: Sequence[Unchecked], ctx: Context, policy: Policy) -> Decision:
    """Judge one piece of content.

    Never raises for content. Raises ConfigError when ``policy`` has no layer at all: an empty
    policy allows nothing. In mode ``observe`` and ``off`` the decision is what would have been done.
    """
    asked: dict[Query, Verdict] = {}
    judged = tuple(_judge(finding, ctx, policy, asked) for finding in findings)
    parts = tuple((part, _judge_unchecked(part, ctx, policy)) for part in unchecked)
    if not judged and not parts:
        policy.judge(Query(ctx.door, "opaque"))  # no policy is no permission, even for nothing found
    action = max(
        (*(one.action for one in judged), *(action for _, action in parts)),
        default=Action.ALLOW,
    )
    return Decision(action=action, mode=policy.mode, judged=judged, unchecked=parts)


def _judge(finding: Finding, ctx: Context, policy: Policy, asked: dict[Query, Verdict]) -> Judged:
    query = query_of(finding, ctx)
    verdict = asked.get(query)
    if verdict is None:  # thousands of findings ask a handful of questions
        verdict = asked[query] = policy.judge(query)
    return Judged(finding, verdict.action, verdict.because)


def query_of(finding: Finding, ctx: Context) -> Query:
    """Return what a finding asks of a policy."""
    return Query(
        door=ctx.door,
        content=content_class(finding, ctx),
        rule=finding.rule.id,
        generic=finding.rule.tier == "generic",
        special=_special(finding, ctx),
    )


def _judge_unchecked(part: Unchecked, ctx: Context, policy: Policy) -> Action:
    special: Special = "over budget" if part.over_budget and ctx.kind == "notebook" and not ctx.rendered else ""
    return policy.judge(Query(door=ctx.door, content="opaque", special=special)).action


def content_class(finding: Finding, ctx: Context) -> str:
    """Return the class a finding is judged as.

    In a notebook everything stands in a source, an output or metadata, and can be replaced there,
    whatever it is wrapped in; elsewhere nothing can.
    """
    if ctx.kind != "notebook":
        return finding.content if finding.content in ("text", "opaque") else ctx.kind
    if finding.content in NOTEBOOK_CLASSES:
        return finding.content
    field = finding.address.field or ""
    if field.startswith(_SOURCE_FIELDS):
        return "source"
    return "metadata" if field.startswith("metadata") else "output"


def _special(finding: Finding, ctx: Context) -> Special:
    if ctx.kind == "notebook":
        return ""
    if ctx.path.lower().endswith(".ipynb"):  # refused at every door at which the other is, and at more
        return "notebook that is none"
    return "" if finding.cut else "cannot be cut out"


def stop_what_cannot_be_cut(decision: Decision) -> Decision:
    """Return the decision where ``redact`` was asked of something that nothing can be cut out of: ``block``."""
    judged = tuple(
        Judged(item.finding, Action.BLOCK, item.because) if item.action is Action.REDACT else item
        for item in decision.judged
    )
    return replace(decision, action=Action.BLOCK, judged=judged)
