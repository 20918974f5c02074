"""Running git, and saying in one sentence why it refused."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from jupyter_qguard.errors import InputError

# What git says (with LC_ALL=C), what it means, what to do. First match wins.
_REASONS = (
    (
        b"dubious ownership",
        "git does not trust this repository, because its folder belongs to somebody else.",
        "If you trust it: git config --global --add safe.directory FOLDER",
    ),
    (b"not a git repository", "This is no git repository.", "Run inside one, or scan files by name."),
    (
        b"must be run in a work tree",
        "This repository has no work tree and so no index.",
        "Run in a clone of it that has one; `qguard git outgoing` judges commits anywhere.",
    ),
    (
        b"outside repository",
        "A path lies outside this repository.",
        "Name paths inside it, or scan that file without --staged.",
    ),
    (b"index file corrupt", "git's index is damaged.", "Try: git fsck, then git reset"),
    (b"bad signature", "git's index is damaged.", "Try: git fsck, then git reset"),
    (b"index file smaller", "git's index is damaged.", "Try: git fsck, then git reset"),
)


def environment() -> dict[str, str]:
    """Return the environment for git: ours, with messages in the language that we can read.

    What a hook was given (``GIT_DIR``, ``GIT_INDEX_FILE``) stays: it names the index of this very commit.
    """
    return {**os.environ, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}


def run(cwd: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    """Run git and return what it printed. Raises InputError with the reason and what to do."""
    done = attempt(cwd, *arguments, stdin=stdin)
    if done.returncode == 0:
        return done.stdout
    for said, message, hint in _REASONS:
        if said in done.stderr:
            raise InputError(message, hint)
    # git's own words may quote a path or a ref, which are names and not content; but a name may hold anything.
    raise InputError(f"git {arguments[0].lstrip('-')} failed.", "Check the names given, and try: git fsck")


def attempt(cwd: Path, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run git and return whatever came of it. Raises InputError where there is no git."""
    try:
        return subprocess.run(  # noqa: S603
            ["git", *arguments],  # noqa: S607  (the user's own git)
            cwd=cwd,
            input=stdin,
            capture_output=True,
            check=False,
            env=environment(),
        )
    except FileNotFoundError:
        raise InputError("git was not found.", "Install git, or scan files by name.") from None
    except ValueError:
        raise InputError("A name with a NUL byte was given to git.", "Check the names given.") from None
    except OSError as error:
        reason = (error.strerror or "it does not start").lower()
        raise InputError(f"git could not be started: {reason}.", "Name fewer files at once.") from None


def toplevel(cwd: Path) -> Path:
    """Return the root of the work tree that holds ``cwd``. Raises InputError outside one."""
    return Path(os.fsdecode(run(cwd, "rev-parse", "--show-toplevel").rstrip(b"\n")))


def common_dir(cwd: Path) -> Path:
    """Return the folder that all work trees of a repository share (``.git``). Raises InputError outside one."""
    return cwd / os.fsdecode(run(cwd, "rev-parse", "--git-common-dir").rstrip(b"\n"))
