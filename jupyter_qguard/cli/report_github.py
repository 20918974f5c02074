"""Annotations for GitHub Actions, and a summary page of the step.

The runner reads commands off the job's output, one per line; how it undoes the escapes:
https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jupyter_qguard.cli.exits import os_reason, say
from jupyter_qguard.cli.names import harmless
from jupyter_qguard.cli.report import FileReport, Report
from jupyter_qguard.cli.report_rows import (
    OBSERVED,
    accepted,
    advice,
    count,
    file_name,
    headline,
    numbered,
    observed,
    region_of,
    sentence,
    stops,
    strictness,
    unchecked_sentence,
    weight,
)

SHOWN = 10
"""GitHub shows so many errors, warnings and notices of a step; what comes after is dropped without a word."""
SUMMARY_ROWS = 200
SUMMARY_BYTES = 900_000
"""GitHub takes 1 MiB of a step's summary and refuses it whole above."""


def to_github(report: Report) -> str:
    """Return workflow commands, one per line: errors, warnings, then one notice that says how it went."""
    errors: list[tuple[int, str]] = []
    warnings: list[tuple[int, str]] = []
    for item in report.files:
        if item.problem:
            errors.append((100, _command("error", item, None, "not judged", item.problem)))
        least = strictness(item.verdict) >= strictness(report.fail_on) and not item.problem
        if least and not any(stops(report, row) for row in item.findings):
            reasons = "; ".join(unchecked_sentence(part) for part in item.unchecked[:3])
            errors.append((50, _command("error", item, None, "not looked into", reasons or "the policy stops it")))
    for item, number in numbered(report):
        row = item.findings[number]
        if accepted(row):
            continue
        said = f"{sentence(item, number)} Next: {advice(item, number)}."
        stopping = stops(report, row)
        line = _command("error" if stopping else "warning", item, number, row["rule"], said)
        (errors if stopping else warnings).append((sum(weight(row)), line))
    lines = []
    hidden = []
    for kind, entries in (("error", errors), ("warning", warnings)):
        # The worst first: what is not among the first ten is not shown on GitHub.
        lines += [line for _, line in sorted(entries, key=lambda entry: -entry[0])[:SHOWN]]
        if len(entries) > SHOWN:
            hidden.append(count(len(entries) - SHOWN, f"more {kind}"))
    said = headline(report)
    if hidden:
        said += f" Not shown as annotations: {' and '.join(hidden)}; `qguard scan` lists all."
    if observed(report):
        said += f" {OBSERVED.capitalize()}"
    for note in report.notes:
        said += f" {note}"
    lines.append(f"::notice title=qguard::{_data(said)}")
    return "\n".join(lines) + "\n"


def write_summary(report: Report, env: Mapping[str, str]) -> None:
    """Add a Markdown summary to the file that GITHUB_STEP_SUMMARY names. What fails is said on stderr and no more."""
    name = env.get("GITHUB_STEP_SUMMARY")
    if not name:
        return
    try:
        with Path(name).open("a", encoding="ascii", newline="\n") as stream:
            stream.write(summary(report))
    except (OSError, ValueError) as error:
        reason = os_reason(error) if isinstance(error, OSError) else "its name cannot be used"
        say(f"qguard: the summary for GITHUB_STEP_SUMMARY could not be written: {reason}. The exit code stands.")


def summary(report: Report) -> str:
    """Return the report as Markdown, ASCII only; names appear as text, whatever they hold."""
    lines = ["## qguard", "", _markdown(headline(report)), ""]
    if observed(report):
        lines += [f"**{_markdown(OBSERVED)}**", ""]
    lines += [
        f"- not judged: {_markdown(item.path)}: {_markdown(item.problem)}" for item in report.files if item.problem
    ]
    rows = sorted(
        ((item, n) for item, n in numbered(report)), key=lambda pair: weight(pair[0].findings[pair[1]]), reverse=True
    )
    if rows:
        lines += ["", "| action | rule | file | line | what and where | next |", "|---|---|---|---|---|---|"]
    size = sum(len(line) + 1 for line in lines)
    written = 0
    for item, number in rows[:SUMMARY_ROWS]:
        row = item.findings[number]
        region = region_of(item, number)
        action = "accepted" if accepted(row) else row["action"]
        cells = (action, row["rule"], file_name(item), str(region[0]) if region else "-", sentence(item, number))
        line = "| " + " | ".join(_markdown(text) for text in (*cells, advice(item, number))) + " |"
        size += len(line) + 1
        if size > SUMMARY_BYTES:
            break
        lines.append(line)
        written += 1
    if len(rows) > written:
        lines += ["", f"{count(len(rows) - written, 'more finding')}: run `qguard scan` to see all."]
    parts = [(item, part) for item in report.files for part in item.unchecked]
    if parts:
        lines += ["", f"{count(len(parts), 'part')} could not be looked into:", ""]
        lines += [
            f"- {_markdown(file_name(item))}: {_markdown(unchecked_sentence(part))}"[:4000] for item, part in parts[:10]
        ]
    return "\n".join(lines) + "\n"


def _command(kind: str, item: FileReport, number: int | None, title: str, text: str) -> str:
    region = None if number is None else region_of(item, number)
    fields = {"file": file_name(item), "line": "1"}
    if region is not None:
        fields |= {"line": str(region[0]), "endLine": str(region[2])}
        if region[0] == region[2]:  # elsewhere GitHub refuses columns
            fields["col"] = str(region[1])
    fields["title"] = f"qguard: {title}"
    said = ",".join(f"{name}={_property(value)}" for name, value in fields.items())
    return f"::{kind} {said}::{_data(text)}"


def _data(text: str) -> str:
    return harmless(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _markdown(text: str) -> str:
    """Return text that neither Markdown nor HTML reads as anything but text."""
    return "".join(c if c.isascii() and (c.isalnum() or c in " .,;-/'") else f"&#{ord(c)};" for c in harmless(text))
