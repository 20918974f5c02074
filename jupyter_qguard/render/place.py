"""Which guard a file belongs to, outside of a server."""

from __future__ import annotations

import os
from pathlib import Path

from jupyter_qguard import guard as guards
from jupyter_qguard.errors import ConfigError
from jupyter_qguard.guard import Guard
from jupyter_qguard.paths import relative, root_of

_guards: dict[Path, Guard] = {}


def guard_for(file: Path | None) -> tuple[Guard, str]:
    """Return the guard of a file's policy root, and the file's path below that root. None: what comes from stdin.

    Raises ConfigError where a policy that applies cannot be used as written: a command, unlike a running server, can
    wait until it is corrected. QGuardError where the data folder cannot be used.
    """
    cwd = Path.cwd()
    root = cwd if file is None else root_of(file, cwd)
    guard = _guards.get(root)
    if guard is None:
        guard = _guards[root] = guards.build(root, os.environ)
    path = "notebook.ipynb" if file is None else relative(file, root, cwd)
    path = os.fsencode(path).decode("utf-8", "backslashreplace")
    policy = guard.policies.effective(path)
    if len(guard.policies.problems) > (policy.on_failure == "warn"):
        raise ConfigError(
            "A policy file that applies here is wrong.", "Nothing was exported; see `qguard policy check`."
        )
    return guard, path
