"""One HTML file for a person: read it, print it, hand it to a reviewer. Nothing in it is loaded or run."""

from __future__ import annotations

import base64
import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import resources
from itertools import groupby
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from jupyter_qguard import __version__
from jupyter_qguard.cli.names import harmless
from jupyter_qguard.cli.report import FileReport, Report
from jupyter_qguard.cli.report_rows import (
    OBSERVED,
    Row,
    accepted,
    advice,
    count,
    exception_of,
    file_name,
    headline,
    observed,
    region_of,
    strictness,
    totals,
    unchecked_sentence,
    weight,
    worst,
)
from jupyter_qguard.cli.report_text import place
from jupyter_qguard.scan import rules
from jupyter_qguard.secret import NO_FINGERPRINT

MAX_FINDINGS = 5_000
MAX_LISTED = 500
"""Files, parts or skipped things in one list; a browser shows longer ones badly, and JSON has them all."""


def to_html(report: Report, *, explain: bool = False) -> str:
    """Return the whole page. ``explain`` adds each rule's reason, the deciding setting and the id of equal values."""
    home = resources.files("jupyter_qguard.cli")
    style = home.joinpath("report_html.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["plain"] = lambda value: harmless(str(value))
    page = environment.from_string(home.joinpath("report_html.j2").read_text("utf-8"))
    return page.render(style=Markup(style), style_hash=digest, **_view(report, explain)) + "\n"  # noqa: S704  (our own file)


def _view(report: Report, explain: bool) -> dict[str, Any]:
    chosen = worst(report, MAX_FINDINGS)
    by_file: dict[int, list[int]] = {}
    for item, number in chosen:
        by_file.setdefault(id(item), []).append(number)
    told = [item for item in report.files if _speaks(item)]
    stopping, below, let_be, failed = totals(report)
    status, words = _verdict(report, stopping, failed)
    return {
        "status": status,
        "words": words,
        "headline": headline(report),
        "observed": OBSERVED if observed(report) else "",
        "tiles": [
            ("to act on", stopping, "bad" if stopping else "good"),
            ("below the threshold", below, "warn" if below else "good"),
            ("accepted", let_be, "calm"),
            ("not judged", failed, "bad" if failed else "good"),
        ],
        "facts": [
            ("Files judged", f"{len(report.files)} ({_size(sum(item.size for item in report.files))})"),
            ("Fails from", report.fail_on),
            ("Strictest verdict", report.verdict),
            ("Judged by", f"jupyter-qguard {__version__}, as for a commit"),
            ("Written", _now()),
        ],
        "notes": report.notes,
        "rules": list(_by_rule(report)),
        "files": [_file(item, n, by_file.get(id(item), []), explain) for n, item in enumerate(told, start=1)],
        "clean": [item.path for item in report.files if not _speaks(item)][:MAX_LISTED],
        "clean_count": len(report.files) - len(told),
        "policies": _policies(report),
        "problems": [(item.path, item.problem) for item in report.files if item.problem],
        "unchecked": _unchecked(report)[:MAX_LISTED],
        "unchecked_count": len(_unchecked(report)),
        "skipped": report.skipped[:MAX_LISTED],
        "skipped_count": len(report.skipped),
        "exceptions": [_exception(item, n) for item, n in chosen if accepted(item.findings[n])],
        "left_out": report.findings - len(chosen),
        "count": count,
    }


def _speaks(item: FileReport) -> bool:
    """Return whether there is anything to say about a file."""
    return bool(item.findings or item.problem or item.unchecked)


def _verdict(report: Report, stopping: int, failed: int) -> tuple[str, str]:
    """Return a class and the verdict in a few words."""
    if failed:
        return "bad", f"{count(failed, 'file')} could not be judged"
    if report.code and stopping:
        return "bad", f"{count(stopping, 'finding')} to act on"
    if report.code:
        return "bad", "The policy stops this"
    if any(not accepted(row) for item in report.files for row in item.findings):
        return "warn", "Passes, with findings to look at"
    return "good", "Passes: nothing to act on"


def _by_rule(report: Report) -> Iterator[dict[str, Any]]:
    rows = [row for item in report.files for row in item.findings]
    times = Counter(row["rule"] for row in rows)
    worst_of: dict[str, Row] = {}
    for row in rows:
        if row["rule"] not in worst_of or weight(row) > weight(worst_of[row["rule"]]):
            worst_of[row["rule"]] = row
    for name in sorted(times, key=lambda name: (-strictness(worst_of[name]["action"]), -times[name], name)):
        rule = rules.get(name)
        yield {
            "id": name,
            "title": rule.title if rule else name,
            "tier": rule.tier if rule else "",
            "severity": worst_of[name]["severity"],
            "action": "accepted" if accepted(worst_of[name]) else worst_of[name]["action"],
            "times": times[name],
        }


def _file(item: FileReport, anchor: int, numbers: list[int], explain: bool) -> dict[str, Any]:
    cells: list[dict[str, Any]] = []
    for (index, name), group in groupby(
        numbers, key=lambda n: (item.findings[n]["cell_index"], item.findings[n]["cell_id"])
    ):
        title = "The file" if index is None else f"Cell {index + 1}" + (f" ({harmless(str(name))})" if name else "")
        if index is None and any(item.findings[n]["field"] for n in numbers):
            title = "The notebook itself"
        cells.append({"title": title, "findings": [_finding(item, n, explain) for n in group]})
    actions = Counter("accepted" if accepted(row) else row["action"] for row in item.findings)
    return {
        "anchor": f"file-{anchor}",
        "path": item.path,
        "verdict": item.verdict,
        "problem": item.problem,
        "counts": ", ".join(f"{number} {action}" for action, number in sorted(actions.items())) or "none",
        "unchecked": [unchecked_sentence(part) for part in item.unchecked[:MAX_LISTED]],
        "unchecked_count": len(item.unchecked),
        "cells": cells,
        "command": next(
            (finding["command"] for cell in cells for finding in cell["findings"] if finding["command"]), ""
        ),
    }


def _finding(item: FileReport, number: int, explain: bool) -> dict[str, Any]:
    row = item.findings[number]
    rule = rules.get(row["rule"])
    region = region_of(item, number)
    step, _, command = advice(item, number).partition(": qguard ")
    cut = row["action"] in ("redact", "block") and not any(item.by_hand[number : number + 1]) and not accepted(row)
    explained = [f"Not excepted: {row['not_excepted']}"] if row.get("not_excepted") else []
    if explain and rule is not None:
        explained.append(f"Rule: {rule.title} ({rule.tier}): {rule.why}")
    if explain and number < len(item.because) and item.because[number]:
        explained.append(f"Policy: {row['action']}, because of {item.because[number]}")
    if explain and row["fingerprint"] != NO_FINGERPRINT and not row["fingerprint"].startswith("00000000"):
        explained.append(f"Same value: id {row['fingerprint'][:8]}")
    return {
        "id": row.get("id", ""),
        "rule": row["rule"],
        "title": rule.title if rule else "",
        "severity": row["severity"],
        "action": "accepted" if accepted(row) else row["action"],
        "field": row["field"] or "",
        "position": f"{row['line']}:{row['column']}",
        "raw": f"{file_name(item)}:{region[0]}" if region else "",
        "why": row["why"],
        "step": f"{step} run the command above" if command else step,
        "command": f"qguard {command}" if command else "",
        "marker": _marker(row, rule is not None and rule.url_password) if cut else "",
        "explained": explained,
    }


def _marker(row: Row, url_password: bool) -> str:
    """Return what ``qguard redact`` puts in the place of a finding (contract §4)."""
    name, short = row["rule"], row["fingerprint"][:8]
    return f"REDACTED-{name}-{short}" if url_password else f"[REDACTED:{name}:{short}]"


def _exception(item: FileReport, number: int) -> dict[str, str]:
    row = item.findings[number]
    found = exception_of(row) or {
        "kind": "policy",
        "reason": item.because[number] if number < len(item.because) else "allowed",
    }
    said = {key: harmless(str(found.get(key) or "")) for key in ("kind", "reason", "owner", "expires")}
    return said | {"rule": row["rule"], "path": item.path, "place": place(row)}


def _policies(report: Report) -> list[dict[str, Any]]:
    times = Counter((item.mode, item.policy) for item in report.files if item.policy)
    return [{"mode": mode, "digest": digest, "files": n} for (mode, digest), n in sorted(times.items())]


def _unchecked(report: Report) -> list[tuple[str, str]]:
    return [(item.path, unchecked_sentence(part)) for item in report.files for part in item.unchecked]


def _size(number: int) -> str:
    for unit in ("bytes", "kB", "MB"):
        if number < 1000:
            return f"{number} {unit}"
        number //= 1000
    return f"{number} GB"


def _now() -> str:
    """Return the date in UTC; SOURCE_DATE_EPOCH fixes it (https://reproducible-builds.org/specs/source-date-epoch/)."""
    fixed = os.environ.get("SOURCE_DATE_EPOCH", "")
    moment = datetime.fromtimestamp(int(fixed), UTC) if fixed.isdecimal() and len(fixed) < 12 else datetime.now(UTC)
    return moment.strftime("%Y-%m-%d %H:%M UTC")
