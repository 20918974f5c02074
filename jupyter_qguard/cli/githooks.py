"""Writing the folder of hooks that a team points ``core.hooksPath`` at."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from jupyter_qguard.cli import gitcall
from jupyter_qguard.cli.names import shown
from jupyter_qguard.cli.output import write_atomically
from jupyter_qguard.errors import InputError

NAMES = (
    "applypatch-msg", "pre-applypatch", "post-applypatch", "pre-commit", "pre-merge-commit", "prepare-commit-msg",
    "commit-msg", "post-commit", "pre-rebase", "post-checkout", "post-merge", "pre-push", "pre-receive", "update",
    "post-receive", "post-update", "reference-transaction", "pre-auto-gc", "post-rewrite", "sendemail-validate",
    "post-index-change",
)  # fmt: skip
"""Every hook of githooks(5) but those whose mere presence changes what git does: ``proc-receive``,
``push-to-checkout``, ``fsmonitor-watchman`` and git-p4's."""
_OURS = b"# jupyter-qguard hook,"


def write(folder: Path, cwd: Path) -> list[str]:
    """Write one script under every hook's name into ``folder``, which is made if need be; return the names written.

    Run again it brings its own files up to date. Raises InputError for a folder that holds somebody else's hooks,
    a repository's own among them: those would be lost, and are what the scripts look for.
    """
    target = folder.absolute()
    if _own_hooks(cwd) == target.resolve():
        raise InputError(
            f"{shown(folder)} is this repository's own hooks folder, which the hooks look into and do not replace.",
            "Name another folder, or use pre-commit for one repository.",
        )
    foreign = [name for name in NAMES if not _may_write(target / name)]
    if foreign:
        raise InputError(
            f"{shown(folder)} has a hook {foreign[0]} that is not qguard's; nothing was written.",
            "Name another folder; a repository's own hooks are run from where they are.",
        )
    python = Path(sys.executable).as_posix() if sys.executable else ""
    script = Path(__file__).with_name("githook.sh").read_text("utf-8").replace("@PYTHON@", shlex.quote(python), 1)
    try:
        target.mkdir(parents=True, exist_ok=True)
        for name in NAMES:
            write_atomically(target / name, script.encode())
            (target / name).chmod(0o755)
    except OSError as error:
        reason = (error.strerror or "input/output error").lower()
        raise InputError(f"{shown(folder)} could not be written: {reason}.", "Name another folder.") from None
    return list(NAMES)


def _own_hooks(cwd: Path) -> Path | None:
    try:
        return (gitcall.common_dir(cwd) / "hooks").resolve()
    except InputError:
        return None


def _may_write(file: Path) -> bool:
    return not os.path.lexists(file) or is_ours(file)


def is_ours(file: Path) -> bool:
    """Return whether a hook was written by :func:`write`."""
    try:
        return _OURS in file.read_bytes()[:200]
    except OSError:
        return False
