"""What ``qguard doctor`` looks for on disk: notebooks with findings, old checkpoints. Bounded, and says so."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from jupyter_qguard.cli.checks import Found
from jupyter_qguard.cli.files import Chosen, select
from jupyter_qguard.cli.judge import Judge
from jupyter_qguard.cli.report import ACTIONS

MOST_FILES = 2000
MOST_SECONDS = 20.0
_LISTED = 10
_CHECKPOINTS = ".ipynb_checkpoints"
_REDACT = ACTIONS.index("redact")


def on_disk(env: Mapping[str, str], root: Path) -> Iterator[Found]:
    """Judge the notebooks below ``root`` as if they were to be committed."""
    judge = Judge(Path.cwd(), env, own_key=False)
    notebooks = [item for item in select([str(root)]).files if item.path.suffix == ".ipynb" and not item.problem]
    began = time.monotonic()
    open_ones: list[Chosen] = []
    checkpoints: list[Chosen] = []
    judged = 0
    for item in notebooks[:MOST_FILES]:
        if time.monotonic() - began > MOST_SECONDS:
            break
        judged += 1
        report = judge.file(item)
        if any(ACTIONS.index(row["action"]) >= _REDACT for row in report.findings):
            (checkpoints if _CHECKPOINTS in item.path.parts else open_ones).append(item)
    looked = f"{judged} of {len(notebooks)} notebooks looked into" if judged < len(notebooks) else f"{judged} notebooks"
    if open_ones:
        yield Found(
            "mend",
            "on disk",
            f"{len(open_ones)} of them hold secrets ({looked}): {_names(open_ones)}",
            "A notebook is redacted at its next save; now: qguard redact --in-place FILE, and replace the secrets.",
        )
    if checkpoints:
        yield Found(
            "mend",
            "on disk",
            f"{len(checkpoints)} old checkpoints hold secrets: {_names(checkpoints)}",
            "qguard scrub shows what it would do about them; qguard scrub --yes does it.",
        )
    if not open_ones and not checkpoints:
        yield Found("ok", "on disk", f"{looked} below this folder, none with a secret")


def _names(items: list[Chosen]) -> str:
    listed = ", ".join(item.label for item in items[:_LISTED])
    more = len(items) - _LISTED
    return f"{listed} and {more} more" if more > 0 else listed
