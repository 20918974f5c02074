"""What the reports for machines and reviewers share: accepted findings, stable fingerprints, order, words.

A report is handed around, so nothing in here uses the installation key, and every word that comes from a file
(names, cell ids, keys, reasons) is taken for hostile.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from jupyter_qguard.cli.names import harmless, shown
from jupyter_qguard.cli.report import ACTIONS, FileReport, Report
from jupyter_qguard.cli.report_text import next_step, place

Row = Mapping[str, Any]
Region = tuple[int, int, int, int]

OBSERVED = "observe: nothing was stopped. What a finding would lead to is shown."
SEVERITIES = ("info", "low", "medium", "high", "critical")
"""By weight."""


def strictness(action: str) -> int:
    """Return the rank of an action: 0 for ``allow``."""
    return ACTIONS.index(action)


def exception_of(row: Row) -> Mapping[str, Any] | None:
    """Return the reviewed exception (``kind``, ``reason``, ``owner``, ``expires``) that accepts a finding, if any."""
    found = row.get("exception")
    return found if isinstance(found, Mapping) else None


def accepted(row: Row) -> bool:
    """Return whether nothing is to be done about a finding: an exception or the policy lets it be."""
    return row["action"] == "allow" or exception_of(row) is not None


def stops(report: Report, row: Row) -> bool:
    """Return whether a finding counts towards exit code 1."""
    return not accepted(row) and strictness(row["action"]) >= strictness(report.fail_on)


def justification(item: FileReport, number: int) -> str:
    """Return in one sentence why finding ``number`` of a file is accepted."""
    found = exception_of(item.findings[number])
    if found is None:
        because = item.because[number] if number < len(item.because) else ""
        return f"allowed by the policy, because of {because}" if because else "allowed by the policy"
    said = {key: harmless(str(found.get(key) or "")) for key in ("kind", "reason", "owner", "expires")}
    text = f"accepted ({said['kind'] or 'exception'}): {said['reason'] or 'no reason given'}"
    text += f"; owner {said['owner']}" if said["owner"] else ""
    return text + (f"; until {said['expires']}" if said["expires"] else "")


def fingerprints(item: FileReport) -> list[str]:
    """Return one fingerprint (SHA-256, hex) per finding of a file.

    Made from rule, cell (its id, else its index), field and the ordinal among findings that agree in these, so
    that it is the same on every machine and stays when lines or whole cells move or the notebook runs again.
    """
    seen: Counter[str] = Counter()
    out = []
    for row in item.findings:
        cell = row["cell_id"] if row["cell_id"] is not None else row["cell_index"]
        address = json.dumps([1, row["rule"], cell, row["field"]])
        out.append(hashlib.sha256(f"{address}{seen[address]}".encode()).hexdigest())
        seen[address] += 1
    return out


def region_of(item: FileReport, number: int) -> Region | None:
    """Return where finding ``number`` stands in the raw file, if it has lines there."""
    return item.regions[number] if number < len(item.regions) else None


def file_name(item: FileReport) -> str:
    """Return the name of a file as a code host knows it, without anything that could act as more than a name."""
    return shown(item.place) if item.place else item.path


def sentence(item: FileReport, number: int) -> str:
    """Return why and where finding ``number`` is, without the next step: ``…, at cell 4 source 2:14.``

    Says too why an exception that seemed to be meant for it does not count (``not_excepted``).
    """
    row = item.findings[number]
    refused = row.get("not_excepted")
    return f"{harmless(row['why'])}, at {place(row)}." + (
        f" Not excepted: {harmless(str(refused))}." if refused else ""
    )


def advice(item: FileReport, number: int) -> str:
    """Return what to do about finding ``number``, or why nothing is."""
    return justification(item, number) if accepted(item.findings[number]) else next_step(item, number)


def numbered(report: Report) -> Iterator[tuple[FileReport, int]]:
    """Yield every finding as (file, number in it), in the report's order."""
    for item in report.files:
        for number in range(len(item.findings)):
            yield item, number


def weight(row: Row) -> tuple[bool, int, int]:
    """Return how much a finding matters, for sorting: higher is worse."""
    return not accepted(row), strictness(row["action"]), SEVERITIES.index(row["severity"])


def worst(report: Report, limit: int) -> list[tuple[FileReport, int]]:
    """Return the ``limit`` findings that matter most, in the report's order."""
    every = list(numbered(report))
    if len(every) <= limit:
        return every
    ranked = sorted(range(len(every)), key=lambda n: weight(every[n][0].findings[every[n][1]]), reverse=True)
    return [every[n] for n in sorted(ranked[:limit])]


def observed(report: Report) -> bool:
    """Return whether the policy of any file only observes."""
    return any(item.mode == "observe" for item in report.files)


def unchecked_sentence(part: Row) -> str:
    """Return which part could not be looked into, and why."""
    where = harmless(str(part["field"])) if part["field"] else "the file"
    return f"{where} was not looked into: {harmless(str(part['reason']))}"


def count(number: int, noun: str) -> str:
    """Return ``1 finding`` or ``2 findings``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def totals(report: Report) -> tuple[int, int, int, int]:
    """Return how many findings stop, are below ``fail_on``, are accepted; and how many files were not judged."""
    rows = [row for item in report.files for row in item.findings]
    stopping = sum(stops(report, row) for row in rows)
    let_be = sum(accepted(row) for row in rows)
    return stopping, len(rows) - stopping - let_be, let_be, sum(1 for item in report.files if item.problem)


def headline(report: Report) -> str:
    """Return the run in one sentence."""
    stopping, below, let_be, failed = totals(report)
    parts = [f"{count(stopping, 'finding')} at or above {report.fail_on}"]
    parts += [f"{below} below"] if below else []
    parts += [f"{let_be} accepted"] if let_be else []
    parts += [f"{count(failed, 'file')} not judged"] if failed else []
    return f"{count(len(report.files), 'file')}: {', '.join(parts)}."
