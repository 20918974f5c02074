"""What was on disk before the guard came: looked for once after the start, told in the log, never rewritten.

In a thread of its own, at half speed, and bounded: it must not be felt by whoever opens a page meanwhile.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jupyter_qguard.guard import Request
from jupyter_qguard.policy.model import Action
from jupyter_qguard.server.doors.reading import is_private
from jupyter_qguard.server.gate import QGuardGate

MOST_FILES = 500
MOST_SECONDS = 60.0
MOST_BYTES = 16 * 2**20
"""Of one notebook; larger ones are left to ``qguard scan``."""
_LISTED = 5
_LEFT_OUT = frozenset({"node_modules", "__pycache__", "site-packages"})


def look_later(manager: Any, gate: QGuardGate) -> None:
    """Look after ``gate.first_look_seconds``; 0 means never. Managers without plain files are left alone."""
    if manager.qguard_files and gate.first_look_seconds > 0:
        threading.Thread(target=_look, args=(manager, gate), name="qguard-on-disk", daemon=True).start()


def _look(manager: Any, gate: QGuardGate) -> None:
    time.sleep(gate.first_look_seconds)
    try:
        looked, dirty = dirty_notebooks(manager, gate)
    except Exception as error:  # its text may quote a file, and a look that fails is no harm to anyone
        gate.log.warning("jupyter-qguard: notebooks already on disk were not looked into (%s)", type(error).__name__)
        return
    if dirty:
        more = f" and {len(dirty) - _LISTED} more" if len(dirty) > _LISTED else ""
        gate.log.warning(
            "jupyter-qguard: %d of %d notebooks looked into hold secrets from before: %s%s. Each is redacted at its "
            "next save; `qguard scan` lists all, `qguard redact --in-place` cleans them now.",
            len(dirty),
            looked,
            ", ".join(dirty[:_LISTED]),
            more,
        )


def dirty_notebooks(manager: Any, gate: QGuardGate) -> tuple[int, list[str]]:
    """Return how many notebooks were looked into, and the paths of those that a save would change or refuse."""
    guard, looked, dirty, began = gate.preview(), 0, list[str](), time.monotonic()
    for file, path in _notebooks(manager):
        if looked >= MOST_FILES or time.monotonic() - began > MOST_SECONDS:
            break
        started = time.monotonic()
        try:
            if file.stat().st_size > MOST_BYTES:
                continue
            data = file.read_bytes()
        except OSError:
            continue
        looked += 1
        if guard.check_bytes(data, Request("save", path)).action >= Action.REDACT:
            dirty.append(path)
        time.sleep(time.monotonic() - started)
    return looked, dirty


def _notebooks(manager: Any) -> Iterator[tuple[Path, str]]:
    """Yield the notebooks below the manager's root and their API paths, checkpoints among them."""
    root = Path(manager.root_dir)
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(
            name
            for name in folders
            if name not in _LEFT_OUT and (not name.startswith(".") or name == ".ipynb_checkpoints")
        )
        for name in sorted(names):
            path = os.path.relpath(Path(folder) / name, root).replace(os.sep, "/")
            file = Path(folder) / name
            if name.endswith(".ipynb") and file.is_file() and not is_private(manager, path):
                yield file, path
