"""SARIF 2.1.0 for code hosts. Plain dicts: the test suite holds them against the official schema.

Source: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html; what GitHub reads of it and its limits:
https://docs.github.com/en/code-security/reference/code-scanning/sarif-files/sarif-support
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from jupyter_qguard import __version__
from jupyter_qguard.cli.names import harmless
from jupyter_qguard.cli.report import FileReport, Report
from jupyter_qguard.cli.report_rows import (
    OBSERVED,
    accepted,
    advice,
    count,
    exception_of,
    file_name,
    fingerprints,
    justification,
    observed,
    region_of,
    sentence,
    unchecked_sentence,
    worst,
)
from jupyter_qguard.scan import rules
from jupyter_qguard.scan.finding import Rule

MAX_RESULTS = 25_000
"""GitHub refuses a run with more; it shows the 5 000 that matter most."""
MAX_NOTIFICATIONS = 1_000
_SCORES = {"critical": "9.5", "high": "8.0", "medium": "5.5", "low": "3.0", "info": "1.0"}
"""GitHub's security-severity: over 9.0 critical, from 7.0 high, from 4.0 medium, else low."""
_PRECISION = {"provider": "very-high", "context": "high", "generic": "low"}
_TIERS = {
    "provider": "The shape alone proves it.",
    "context": "The shape and the place it stands in prove it.",
    "generic": "Found by entropy or a keyword only: have a look before you act.",
}
_LEVELS = {"allow": "note", "warn": "warning", "redact": "error", "hold": "error", "block": "error"}
_NOTICES = {
    "not-judged": "A file could not be judged.",
    "unchecked": "A part of a file could not be looked into.",
    "skipped": "Something was not looked at.",
    "observe": "The policy only observes.",
    "cut": "The report leaves something out.",
}
_OUTPUT = re.compile(r"outputs\[(\d+)\](?:\.data\.(.+))?", re.DOTALL)


def to_sarif(report: Report, *, explain: bool = False) -> str:
    """Return the report as one SARIF log, newline at the end. ``explain`` says more in the rules' help."""
    names = Counter(item.place for item in report.files)
    twice = {name for name, times in names.items() if times > 1}
    chosen = worst(report, MAX_RESULTS)
    used = sorted({item.findings[number]["rule"] for item, number in chosen})
    where = {rule: n for n, rule in enumerate(used)}
    prints = {id(item): fingerprints(item) for item in report.files}
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "jupyter-qguard",
                "semanticVersion": __version__,
                "informationUri": "https://pypi.org/project/jupyter-qguard/",
                "rules": [_rule(rule, explain) for rule in used],
                "notifications": [
                    {"id": name, "shortDescription": {"text": text}, "fullDescription": full, "help": full}
                    for name, text in _NOTICES.items()
                    for full in ({"text": f"{text} The message says which and why."},)
                ],
            }
        },
        "automationDetails": {"id": "qguard/"},
        "columnKind": "unicodeCodePoints",
        "language": "en",
        "originalUriBaseIds": {
            "%SRCROOT%": {"description": {"text": "The repository's root, else the folder that was scanned."}}
        },
        "invocations": [
            {
                "executionSuccessful": not any(item.problem for item in report.files),
                "toolExecutionNotifications": _notifications(report, report.findings - len(chosen), twice),
            }
        ],
        "results": [_result(item, number, where, prints[id(item)][number], twice, explain) for item, number in chosen],
        "properties": {
            "verdict": report.verdict,
            "failOn": report.fail_on,
            "policies": [
                {"mode": mode, "digest": digest}
                for mode, digest in sorted({(item.mode, item.policy) for item in report.files if item.policy})
            ],
        },
    }
    schema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
    log = {"$schema": schema, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, ensure_ascii=True, indent=1) + "\n"


def text_of(text: str) -> dict[str, str]:
    """Return a message whose text is only text: no placeholder, no link (SARIF 2.1.0, §3.11.5 and §3.11.6)."""
    text = text.replace("{", "{{").replace("}", "}}")
    return {"text": text.replace("](", "] (")}


def _pascal(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("-"))


def _rule(name: str, explain: bool) -> dict[str, Any]:
    rule = rules.get(name) or Rule(name, name, "high", "context", "found by a rule of another version")
    steps = [
        "Have it replaced where it was issued: what was committed counts as read by others.",
        "Take it out: `qguard redact --in-place FILE` puts a marker in its place.",
        "If it is no secret, or may stay, accept it with a reason, an owner and an expiry date.",
    ]
    why = f"{rule.title}: {rule.why}. {_TIERS[rule.tier]}"
    more = f"`qguard rules show {rule.id}` says more." if explain else ""
    lines = "\n".join(f"{n}. {step}" for n, step in enumerate(steps, start=1))
    return {
        "id": rule.id,
        "name": _pascal(rule.id),
        "shortDescription": text_of(rule.title + "."),
        "fullDescription": text_of(f"{rule.title} in a notebook or file: {rule.why}."),
        "help": {
            "text": text_of(" ".join([why, *steps, more]).strip().replace("`", ""))["text"],
            "markdown": text_of(f"{why}\n\n{lines}" + (f"\n\n{more}" if more else ""))["text"],
        },
        "defaultConfiguration": {"level": "warning" if rule.tier == "generic" else "error"},
        "properties": {
            "security-severity": _SCORES[rule.severity],
            "precision": _PRECISION[rule.tier],
            "problem.severity": "warning" if rule.tier == "generic" else "error",
            "tags": ["security", "secret", "external/cwe/cwe-798", f"tier/{rule.tier}"],
        },
    }


def _result(
    item: FileReport, number: int, where: dict[str, int], identity: str, twice: set[str], explain: bool
) -> dict[str, Any]:
    row = item.findings[number]
    said = f"{sentence(item, number)} {'Accepted' if accepted(row) else 'Next'}: {advice(item, number)}."
    if explain and number < len(item.because) and item.because[number]:
        said += f" Policy: {row['action']}, because of {item.because[number]}."
    physical = {"artifactLocation": _artifact(item, twice), "region": _region(item, number)}
    location: dict[str, Any] = {"physicalLocation": physical}
    logical = _logical(row)
    if logical is not None:
        location["logicalLocations"] = [logical]
    return {
        "ruleId": row["rule"],
        "ruleIndex": where[row["rule"]],
        "level": "note" if accepted(row) else _LEVELS[row["action"]],
        "message": text_of(harmless(said)),
        "locations": [location],
        # GitHub reads the second one alone, and would else make it from the line. It takes a file that moved for
        # another one anyway; with the path in it no reader takes findings of two files for one.
        "partialFingerprints": {
            "qguardFinding/v1": identity,
            "primaryLocationLineHash": hashlib.sha256(f"{identity} {file_name(item)}".encode()).hexdigest()[:16] + ":1",
        },
        "suppressions": _suppressions(item, number),
        "properties": {
            "action": row["action"],
            "severity": row["severity"],
            "fieldLine": row["line"],
            "fieldColumn": row["column"],
        },
    }


def _suppressions(item: FileReport, number: int) -> list[dict[str, Any]]:
    row = item.findings[number]
    if not accepted(row):
        return []  # said of all or of none (SARIF 2.1.0, §3.27.23)
    found = exception_of(row)
    kind = "inSource" if found is not None and found.get("kind") == "pragma" else "external"
    return [{"kind": kind, "status": "accepted", "justification": harmless(justification(item, number))}]


def _artifact(item: FileReport, twice: set[str]) -> dict[str, Any]:
    """Return where a file is: relative to its root, unless another root holds a file of that name too."""
    if item.place and item.place not in twice:
        name = os.fsencode(item.place)
    elif item.path == "-":
        name = b"stdin"
    elif PurePath(item.path).is_absolute():
        return {"uri": "file://" + quote(PurePath(item.path).as_posix().encode("utf-8", "backslashreplace"))}
    else:
        name = item.path.encode("utf-8", "backslashreplace")
    return {"uri": quote(name, safe="/"), "uriBaseId": "%SRCROOT%"}


def _region(item: FileReport, number: int) -> dict[str, int]:
    region = region_of(item, number)
    if region is None:  # a file without lines; code hosts refuse a location without one
        return {"startLine": 1}
    return dict(zip(("startLine", "startColumn", "endLine", "endColumn"), region, strict=True))


def _logical(row: Any) -> dict[str, Any] | None:
    """Return the place inside the notebook; None for a plain file."""
    if row["cell_index"] is None and not row["field"]:
        return None
    field = harmless(str(row["field"] or ""))
    known: dict[str, Any] = {"field": field}
    full = "notebook"
    if row["cell_index"] is not None:
        known["cellIndex"] = row["cell_index"]
        full = f"cells[{row['cell_index']}]"
        if row["cell_id"] is not None:
            known["cellId"] = harmless(str(row["cell_id"]))
            full = f"cells[{known['cellId']}]"
    kind = "cell-source" if field == "source" else field.partition(".")[0].partition("[")[0] or "cell"
    output = _OUTPUT.match(field)
    if output:
        kind = "cell-output"
        known["output"] = int(output[1])
        if output[2]:
            known["mime"] = output[2]
    elif kind in ("metadata", "attachments"):
        kind = f"{'notebook' if row['cell_index'] is None else 'cell'}-{kind.removesuffix('s')}"
    name = field or full
    return {"name": name, "fullyQualifiedName": f"{full}.{field}" if field else full, "kind": kind, "properties": known}


def _notifications(report: Report, left_out: int, twice: set[str]) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    order = list(_NOTICES)

    def say(name: str, level: str, text: str, item: FileReport | None = None, field: str | None = None) -> None:
        entry: dict[str, Any] = {
            "descriptor": {"id": name, "index": order.index(name)},
            "level": level,
            "message": text_of(harmless(text)),
        }
        if item is not None:
            location: dict[str, Any] = {"physicalLocation": {"artifactLocation": _artifact(item, twice)}}
            if field:
                location["logicalLocations"] = [{"fullyQualifiedName": harmless(field)}]
            entry["locations"] = [location]
        out.append(entry)

    if observed(report):
        say("observe", "note", OBSERVED)
    if left_out:
        shown = f"the {MAX_RESULTS} that matter most are reported"
        say("cut", "warning", f"{count(left_out, 'more finding')}: code hosts take {MAX_RESULTS} in a run; {shown}.")
    for item in report.files:
        if item.problem:
            say("not-judged", "error", f"{item.path} could not be judged: {item.problem}", item)
    for item in report.files:
        for part in item.unchecked:
            say("unchecked", "warning", f"{item.path}: {unchecked_sentence(part)}", item, part["field"])
    for path, reason in report.skipped:
        say("skipped", "note", f"{path} was skipped: {reason}")
    for text in report.notes:
        say("skipped", "note", text)
    more = len(out) - MAX_NOTIFICATIONS
    if more > 0:
        del out[MAX_NOTIFICATIONS:]
        say("cut", "warning", f"{count(more, 'more notification')}; --format json lists everything.")
    return out
