"""Words for people: one sentence for a refusal, one line for a redaction.

The same findings give the same text (JupyterLab merges equal dialogs), and nothing of a
secret is ever quoted. No percent signs: tornado would format them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from jupyter_qguard.policy.model import Action, Door, Judged
from jupyter_qguard.scan.finding import Unchecked

SCAN_FAILED = "jupyter-qguard could not check this content, so nothing was written. Your work is still in the editor."
SCAN_FAILED_HINT = "Try again; if it stays, run `qguard doctor` and ask whoever runs this server."

_DONE: dict[Door, str] = {
    "save": "Saved",
    "upload": "Uploaded",
    "copy": "Copied",
    "rename": "Renamed",
    "checkpoint": "Checkpoint made",
    "restore": "Checkpoint restored",
    "download": "Downloaded",
    "export": "Exported",
    "collaborate": "Saved",
    "commit": "Written",
}
_NOT_DONE: dict[Door, str] = {
    "save": "Not saved",
    "upload": "Not uploaded",
    "copy": "Not copied",
    "rename": "Not renamed",
    "checkpoint": "No checkpoint made",
    "restore": "Checkpoint not restored",
    "download": "Not downloaded",
    "export": "Not exported",
    "collaborate": "Not saved",
    "commit": "Not written",
}
_LISTED = 3


def place(judged: Judged) -> str:
    """Return where a finding stands, in words: ``cell 3, outputs[0].text, line 2``."""
    finding = judged.finding
    parts = []
    if finding.address.cell_index is not None:
        parts.append(f"cell {finding.address.cell_index + 1}")
    if finding.address.field and finding.address.field != "source":
        parts.append(finding.address.field)
    parts.append(f"line {finding.line}")
    return ", ".join(parts)


def _listing(judged: Sequence[Judged]) -> str:
    named = [f"{place(item)}: {item.finding.rule.id}" for item in judged[:_LISTED]]
    more = len(judged) - _LISTED
    return "; ".join(named) + (f"; and {more} more" if more > 0 else "")


def count(number: int, noun: str) -> str:
    """Return ``1 secret`` or ``3 secrets``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def describe_redaction(door: Door, judged: Sequence[Judged], *, kept: bool, not_kept: bool) -> str:
    """Return the one line that says what a redaction did."""
    line = f"{_DONE[door]} without {count(len(judged), 'secret')} ({_listing(judged)})."
    if kept:
        line += " Kept for you: `qguard kept list`."
    elif not_kept:
        line += " Not kept: this server keeps no values; the editor still holds the text."
    return line


def describe_unkept(door: Door, judged: Sequence[Judged], reason: str) -> str:
    """Return the message where what was found can be kept nowhere, so that it must not be taken out."""
    return f"{_NOT_DONE[door]}: {count(len(judged), 'secret')} found ({_listing(judged)}). {reason}"


def describe_refusal(door: Door, judged: Sequence[Judged], *, problem: str | None, held: bool) -> tuple[str, str]:
    """Return message and hint for content that policy stops."""
    reason = _listing(judged)
    if problem:
        message = f"{_NOT_DONE[door]}: {problem} It holds {count(len(judged), 'possible secret')} ({reason})."
        hint = "Remove it or mend the notebook, then try again. Nothing was changed."
    elif held:
        message = f"{_NOT_DONE[door]}: policy holds this for approval ({reason})."
        hint = "Ask the owner named by `qguard policy explain`, or take the secret out. Nothing was changed."
    elif door == "upload":
        message = f"{_NOT_DONE[door]}: {count(len(judged), 'secret')} found ({reason})."
        hint = (
            "Take it out of the file, or let this one in on record: a [[paths]] entry in qguard.toml with "
            "match, text, reason, owner and expires. Nothing was written."
        )
    else:
        message = f"{_NOT_DONE[door]}: {count(len(judged), 'secret')} found ({reason})."
        hint = "Take it out of the text, or run `qguard policy explain` to see which rule decided. Nothing was changed."
    return message, hint


def describe_unchecked(door: Door, unchecked: Iterable[tuple[Unchecked, Action]]) -> tuple[str, str]:
    """Return message and hint where only an uninspectable part stops the content."""
    reasons = sorted({item.reason for item, action in unchecked if action >= Action.HOLD})
    message = f"{_NOT_DONE[door]}: a part could not be looked into ({'; '.join(reasons[:_LISTED])})."
    return message, "Take that part out, or ask for `opaque` to be relaxed in the policy. Nothing was changed."


def finding_rows(judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """Return findings as the public JSON objects of contract §5.

    ``exception`` is there where a reviewed exception let one pass, ``not_excepted`` where one fits but does not count.
    """
    return [_row(number, item) for number, item in enumerate(judged, start=1)]


def _row(number: int, item: Judged) -> dict[str, Any]:
    finding, exemption = item.finding, item.exemption
    row: dict[str, Any] = {
        "id": f"f{number}",
        "rule": finding.rule.id,
        "severity": finding.rule.severity,
        "action": str(item.action),
        "fingerprint": finding.fingerprint,
        "cell_id": finding.address.cell_id,
        "cell_index": finding.address.cell_index,
        "field": finding.address.field,
        "line": finding.line,
        "column": finding.column,
        "end_line": finding.end_line,
        "end_column": finding.end_column,
        "why": finding.why,
    }
    if exemption is not None:
        row["exception"] = {
            "kind": exemption.kind,
            "reason": exemption.reason,
            "owner": exemption.owner or None,
            "expires": exemption.expires or None,
        }
    if item.not_exempt:
        row["not_excepted"] = item.not_exempt
    return row


def unchecked_rows(unchecked: Iterable[tuple[Unchecked, Action]]) -> list[dict[str, Any]]:
    """Return uninspectable parts as the public JSON objects of contract §5."""
    return [{"field": item.field, "reason": item.reason} for item, _ in unchecked]
