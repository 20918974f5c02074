"""``qguard policy check``: everything wrong with one file, without using it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path

from jupyter_qguard import paths
from jupyter_qguard.settings.policy_file import Problem
from jupyter_qguard.settings.reader import WatchedFile
from jupyter_qguard.settings.words import PYPROJECT_NAME, Role


def check_file(
    path: Path,
    *,
    known_rules: Collection[str] | None = None,
    role: Role | None = None,
    env: Mapping[str, str] | None = None,
    now: datetime | None = None,
) -> list[Problem]:
    """Return every problem of one policy file, errors first; empty when it is right. Never raises for the file.

    ``role`` says what the file is to be; None asks where it stands: in a system or user config
    folder of ``env`` (if given), else a project's.
    """
    file = WatchedFile(path, role or role_of(path, env or {}), str(path), "", known_rules)
    file.refresh()
    problems = list(file.problems)
    if not file.present:
        what = "has no [tool.qguard] table" if path.name == PYPROJECT_NAME and path.exists() else "does not exist"
        problems.append(Problem(str(path), "", 0, f"The file {what}.", "`qguard init` writes a qguard.toml."))
    if file.good is not None:
        for entry in file.good.paths:
            line = file.good.line("paths", entry.index)
            name = f"paths[{entry.index}]"
            if entry.expired(now or datetime.now(UTC)):
                problems.append(Problem(str(path), name, line, "ran out and weakens nothing.", level="warning"))
            elif entry.reason and entry.owner and entry.expires is None:
                hint = "Write expires = 2027-01-01 so that it is looked at again."
                problems.append(Problem(str(path), name, line, "never runs out.", hint, "warning"))
    return sorted(problems, key=lambda problem: problem.level != "error")


def role_of(path: Path, env: Mapping[str, str]) -> Role:
    """Return what a file counts as by where it stands."""
    folder = path.absolute().parent
    if not env:
        return "project"
    if folder in paths.system_config_dirs(env) or env.get("QGUARD_ADMIN_POLICY") == str(path):
        return "system"
    return "user" if folder == paths.user_config_dir(env) else "project"
