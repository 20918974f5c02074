"""Run the start-up test without a server, for ``qguard doctor``: the stock contents managers, every writing door."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path

from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager, LargeFileManager

from jupyter_qguard import settings
from jupyter_qguard.errors import QGuardError
from jupyter_qguard.guard import Guard
from jupyter_qguard.server.doors.contents import guard_class
from jupyter_qguard.server.gate import WRITING_DOORS, NoRecord, QGuardGate
from jupyter_qguard.server.self_test import prove


@dataclass(frozen=True, slots=True)
class Checked:
    """The result for one kind of contents manager. ``doors`` are those that held; ``failure`` is a sentence or ""."""

    manager: str
    doors: tuple[str, ...]
    failure: str = ""


def run_doors() -> list[Checked]:
    """Send made-up secrets through every door of a guarded manager, asynchronous and blocking, in scratch folders.

    Judges by the default policy, records and keeps nothing. Not checked: how a running server is configured; its
    own start-up test does that.
    """
    return [_run(base) for base in (AsyncLargeFileManager, LargeFileManager)]


def _run(base: type) -> Checked:
    log = logging.getLogger("jupyter_qguard.checkup")
    log.propagate = False
    log.disabled = True
    with tempfile.TemporaryDirectory(prefix="qguard-doctor-") as scratch:
        root = Path(scratch)
        policies = settings.load(None, root=root, env={}, system_dirs=(), user_dir=root)
        gate = QGuardGate(guard=Guard(policies=policies, ledger=NoRecord(), keeper=None, key=None), log=log)
        failure = ""
        try:
            prove(guard_class(base, gate)(root_dir=scratch, log=log), gate)
        except QGuardError as error:
            failure = error.message
    return Checked(base.__name__, tuple(door for door in WRITING_DOORS if gate.doors[door]), failure)
