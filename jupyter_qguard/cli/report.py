"""What a run found, and its JSON form (contract §5). No plaintext gets in here: rows come from the guard."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from jupyter_qguard.cli import exits

ACTIONS = ("allow", "warn", "redact", "hold", "block")
"""By strictness, as in the policy's model; spelled out so that reports need no policy room."""


FORMATS = ("text", "json", "sarif", "github", "junit", "html")
WITH_LINES = frozenset(FORMATS) - {"text", "json"}
"""Formats that show the raw file's lines."""


@dataclass(slots=True)
class FileReport:
    """One file judged. ``problem``: why it could not be judged as what it is (one sentence; exit 2).

    Per finding, ``because`` names the setting that gave its action and ``by_hand`` says whether ``qguard redact``
    cannot cut it out; ``notes`` are remarks about the file (a pragma that does not count); ``size`` is in bytes.
    ``regions`` says for each finding where it stands in the raw file (line, column, end line, end column; None where
    there are no lines), if that was asked for.

    ``place`` is the path from the repository's root (or what stands for one), as the file system has it:
    what a code host calls the file. Empty for stdin. ``policy`` is the digest of the policy that judged it.
    """

    path: str
    verdict: str = "allow"
    findings: list[dict[str, Any]] = field(default_factory=list)
    unchecked: list[dict[str, Any]] = field(default_factory=list)
    because: list[str] = field(default_factory=list)
    by_hand: list[bool] = field(default_factory=list)
    mode: str = "enforce"
    problem: str = ""
    notes: list[str] = field(default_factory=list)
    size: int = 0
    regions: list[tuple[int, int, int, int] | None] = field(default_factory=list)
    place: str = ""
    policy: str = ""


@dataclass(slots=True)
class Report:
    """A whole run. ``skipped`` lists (path, reason) of what was not looked at; ``seconds`` is wall time."""

    files: list[FileReport]
    fail_on: str = "redact"
    skipped: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def verdict(self) -> str:
        """The strictest verdict of all files; ``allow`` for none."""
        return max((item.verdict for item in self.files), key=ACTIONS.index, default="allow")

    @property
    def findings(self) -> int:
        """How many findings there are in all files."""
        return sum(len(item.findings) for item in self.files)

    @property
    def excepted(self) -> int:
        """How many of them a reviewed exception let pass."""
        return sum("exception" in row for item in self.files for row in item.findings)

    @property
    def code(self) -> int:
        """The exit code: 2 if any file could not be judged, else 1 from ``fail_on`` upwards, else 0."""
        if any(item.problem for item in self.files):
            return exits.FAILED
        return exits.FOUND if ACTIONS.index(self.verdict) >= ACTIONS.index(self.fail_on) else exits.CLEAN

    def number(self) -> None:
        """Give every finding an id that is its own in this report: f1, f2, …"""
        counter = 0
        for item in self.files:
            for row in item.findings:
                counter += 1
                row["id"] = f"f{counter}"


def to_json(report: Report) -> str:
    """Return the report as one JSON object; ``problem``, ``notes`` and ``skipped`` are there if they say something."""
    files = []
    for item in report.files:
        entry: dict[str, Any] = {
            "path": item.path,
            "verdict": item.verdict,
            "findings": item.findings,
            "unchecked": item.unchecked,
        }
        if item.problem:
            entry["problem"] = item.problem
        if item.notes:
            entry["notes"] = item.notes
        files.append(entry)
    document: dict[str, Any] = {"version": 1, "verdict": report.verdict, "files": files}
    if report.skipped:
        document["skipped"] = [{"path": path, "reason": reason} for path, reason in report.skipped]
    document["summary"] = {
        "files": len(report.files),
        "findings": report.findings,
        "bytes": sum(item.size for item in report.files),
        "seconds": round(report.seconds, 6),
    }
    return json.dumps(document, ensure_ascii=True, indent=1)
