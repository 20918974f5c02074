"""``qguard rules``: what can be found."""

from __future__ import annotations

import difflib
import json

import click

from jupyter_qguard.errors import InputError


@click.group("rules", short_help="List or show what can be found.")
def command() -> None:
    """List or show what can be found."""


@command.command("list", short_help="List every rule.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to list."
)
def list_rules(form: str) -> None:
    """List every rule: id, severity, tier and title."""
    from jupyter_qguard.scan import rules

    known = sorted(rules.ALL.values(), key=lambda rule: rule.id)
    if form == "json":
        rows = [{"id": r.id, "title": r.title, "severity": r.severity, "tier": r.tier, "why": r.why} for r in known]
        click.echo(json.dumps(rows, indent=1))
        return
    width = max((len(rule.id) for rule in known), default=0)
    for rule in known:
        click.echo(f"{rule.id:<{width}}  {rule.severity:<8}  {rule.tier:<8}  {rule.title}")


@command.command("show", short_help="Show one rule.")
@click.argument("rule_id", metavar="RULE")
def show(rule_id: str) -> None:
    """Show one rule: what it looks for and why it matters."""
    from jupyter_qguard.scan import rules

    rule = rules.ALL.get(rule_id)
    if rule is None:
        near = difflib.get_close_matches(rule_id, list(rules.ALL), 1)
        advice = f"Did you mean {near[0]}?" if near else "See `qguard rules list`."
        raise InputError("There is no such rule.", advice)
    generic = " (warns by default, changes nothing)" if rule.tier == "generic" else ""
    click.echo(f"{rule.id}: {rule.title}")
    click.echo(f"severity: {rule.severity}")
    click.echo(f"tier: {rule.tier}{generic}")
    click.echo(f"why: {rule.why}")
    if rule.low_entropy:
        click.echo("id: none is published, because its values can be guessed")
