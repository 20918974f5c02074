"""Who has a file open: told by /proc on Linux, elsewhere only which Jupyter servers run."""

from __future__ import annotations

import json
import os
from pathlib import Path

from jupyter_qguard import paths

_PROC = Path("/proc")


def in_use(path: Path) -> str:
    """Return who has ``path`` open, or may have, as a clause for a person; "" where nobody has."""
    users = holders(path)
    if users is None:
        return "a Jupyter server runs here and may have it open" if servers(path) else ""
    return f"a program has it open ({users})" if users else ""


def holders(path: Path, proc: Path = _PROC) -> str | None:
    """Return the processes that have ``path`` open (``pid 12, pid 34``), "" for none, None where nobody can tell.

    Only processes that this user may look into are seen.
    """
    try:
        wanted = path.stat()
        pids = sorted(int(entry.name) for entry in proc.iterdir() if entry.name.isdigit())
    except OSError:
        return None
    if not pids:
        return None
    found = [
        pid for pid in pids if pid != os.getpid() and _holds(proc / str(pid) / "fd", (wanted.st_dev, wanted.st_ino))
    ]
    return ", ".join(f"pid {pid}" for pid in found[:5])


def _holds(folder: Path, wanted: tuple[int, int]) -> bool:
    try:
        with os.scandir(folder) as listing:
            for entry in listing:
                try:
                    info = entry.stat()
                except OSError:
                    continue
                if (info.st_dev, info.st_ino) == wanted:
                    return True
    except OSError:
        return False  # another user's process, or one that has ended
    return False


def servers(path: Path) -> bool:
    """Return whether a Jupyter server of this user runs whose root holds ``path`` (its runtime files say so)."""
    for file in runtime_dir().glob("jpserver-*.json"):
        try:
            told = json.loads(file.read_bytes())
            root, pid = Path(told["root_dir"]), int(told["pid"])
            os.kill(pid, 0)
        except PermissionError:
            return True
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if path.resolve().is_relative_to(root.resolve()):
            return True
    return False


def runtime_dir() -> Path:
    """Return Jupyter's runtime folder."""
    env = os.environ
    if env.get("JUPYTER_RUNTIME_DIR"):
        return Path(env["JUPYTER_RUNTIME_DIR"])
    return paths.jupyter_data_dir(env) / "runtime"
