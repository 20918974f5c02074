"""The report for a person: cell, field, line, rule, why, and what to do next."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TextIO

import click

from jupyter_qguard.cli.names import harmless
from jupyter_qguard.cli.report import ACTIONS, FileReport, Report

Paint = Callable[..., str]

_COLOURS = {"allow": "green", "warn": "yellow", "redact": "red", "hold": "magenta", "block": "red"}
_SKIPPED_LISTED = 5


def wants_colour(stream: TextIO, env: Mapping[str, str]) -> bool:
    """Return whether to colour ``stream``: a terminal, unless NO_COLOR is set or TERM is dumb; FORCE_COLOR insists."""
    if env.get("NO_COLOR"):
        return False
    if env.get("FORCE_COLOR"):
        return True
    return stream.isatty() and env.get("TERM") != "dumb" and os.name != "nt"


def to_text(report: Report, *, colour: bool, explain: bool = False) -> str:
    """Return the whole report, newline at the end. ``explain`` adds each rule's title and the setting that decided."""
    paint = _painter(colour)
    lines: list[str] = []
    for item in report.files:
        lines.extend(_file(item, paint, explain))
    lines.extend(_skipped(report, paint))
    lines.extend(report.notes)
    lines.append(_summary(report, paint))
    return "\n".join(lines) + "\n"


def place(row: Mapping[str, Any]) -> str:
    """Return where a finding stands: ``cell 4 (ab12) source 2:14``, cells counted from 1."""
    parts = []
    if row.get("cell_index") is not None:
        parts.append(f"cell {row['cell_index'] + 1}")
        if row.get("cell_id"):
            parts.append(f"({harmless(str(row['cell_id']))})")
    if row.get("field"):
        parts.append(harmless(str(row["field"])))
    parts.append(f"{row['line']}:{row['column']}")
    return " ".join(parts)


def next_step(item: FileReport, number: int) -> str:
    """Return what to do about finding ``number`` (from 0) of a file, in one line."""
    if item.findings[number]["action"] in ("allow", "warn"):
        return "look at it; if it is a secret, take it out and have it replaced where it was issued"
    if any(item.by_hand[number : number + 1]):
        return (
            "have the secret replaced where it was issued, and take it out by hand: it cannot be cut out of this file"
        )
    if item.path == "-":
        return "have the secret replaced where it was issued; `qguard redact -` cuts it out"
    return f"have the secret replaced where it was issued, then: qguard redact --in-place {_quoted(item.path)}"


def _quoted(path: str) -> str:
    return path if all(c.isalnum() or c in "/._-+@:" for c in path) else "'" + path.replace("'", "'\\''") + "'"


def _painter(colour: bool) -> Paint:
    def paint(text: str, **style: Any) -> str:
        return click.style(text, **style) if colour else text

    return paint


def _file(item: FileReport, paint: Paint, explain: bool) -> Iterator[str]:
    told = [number for number, row in enumerate(item.findings) if explain or not _accepted(row)]
    if not (told or item.problem or item.notes or (item.unchecked and (explain or item.verdict != "allow"))):
        return
    yield paint(item.path, bold=True)
    if item.problem:
        yield f"  {paint('not judged', fg='red', bold=True)}  {item.problem}"
    previous = ""
    for number in told:
        row = item.findings[number]
        action = row["action"]
        word = paint(f"{action:<6}", fg=_COLOURS.get(action), bold=action == "block")
        yield f"  {word}  {paint(place(row), fg='cyan')}  {row['rule']}  ({row['severity']})"
        yield f"          {harmless(row['why'])}"
        if row.get("not_excepted"):
            yield f"          note: {harmless(row['not_excepted'])}"
        if explain:
            yield from (f"          {line}" for line in _explained(item, row, number))
        if "exception" in row:
            if not explain:
                yield f"          allowed by {harmless(item.because[number])}"
            continue  # reviewed: there is nothing to do
        step = next_step(item, number)
        if step != previous:
            yield f"          next: {step}"
            previous = step
    for part in item.unchecked:
        where = harmless(str(part["field"])) if part["field"] else "the file"
        yield f"  {paint('unchecked', fg='yellow')}  {where}: {harmless(part['reason'])}"
    yield from (f"  {paint('note', fg='yellow')}  {harmless(note)}" for note in item.notes)


def _accepted(row: Mapping[str, Any]) -> bool:
    """Return whether a baseline lets the finding pass; those are counted, and listed by ``--explain``."""
    return "exception" in row and row["exception"]["kind"] == "baseline"


def _explained(item: FileReport, row: Mapping[str, Any], number: int) -> Iterator[str]:
    from jupyter_qguard.scan import rules  # only --explain needs the rules' titles here

    rule = rules.ALL.get(row["rule"])
    if rule is not None:
        yield f"rule: {rule.title} ({rule.tier}): {rule.why}"
    if number < len(item.because) and item.because[number]:
        yield f"policy: {row['action']}, because of {harmless(item.because[number])}"
    if not row["fingerprint"].startswith("00000000"):
        yield f"same value: id {row['fingerprint'][:8]}"


def _skipped(report: Report, paint: Paint) -> Iterator[str]:
    if not report.skipped:
        return
    listed = [f"{path} ({reason})" for path, reason in report.skipped[:_SKIPPED_LISTED]]
    more = len(report.skipped) - _SKIPPED_LISTED
    tail = f" and {more} more (--format json lists all)" if more > 0 else ""
    yield paint(f"skipped: {', '.join(listed)}{tail}", dim=True)


def _summary(report: Report, paint: Paint) -> str:
    files = _count(len(report.files), "file")
    failed = sum(1 for item in report.files if item.problem)
    stopping = sum(
        1
        for item in report.files
        for row in item.findings
        if ACTIONS.index(row["action"]) >= ACTIONS.index(report.fail_on)
    )
    others = report.findings - stopping - report.excepted
    parts = [f"{_count(stopping, 'finding')} at or above {report.fail_on}"]
    if others:
        parts.append(f"{others} below")
    if report.excepted:
        parts.append(f"{report.excepted} allowed by reviewed exceptions (--explain lists them)")
    if failed:
        parts.append(f"{_count(failed, 'file')} not judged")
    observed = " (policy only observes: nothing would be changed)" if _observed(report) else ""
    if not report.findings and not failed:
        clean = "nothing found" if report.code == 0 else "nothing found, but not everything could be looked into"
        return paint(f"{files}: {clean}", fg="green" if report.code == 0 else "yellow") + observed
    return paint(f"{files}: {', '.join(parts)}", fg="red" if report.code else "yellow", bold=True) + observed


def _observed(report: Report) -> bool:
    return any(item.mode == "observe" for item in report.files)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
