"""Finding the policy files of a server or repository."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from jupyter_qguard import paths
from jupyter_qguard.errors import ConfigError
from jupyter_qguard.settings.baselines import Baselines
from jupyter_qguard.settings.pause import PauseFile
from jupyter_qguard.settings.policies import Policies, errors_of
from jupyter_qguard.settings.reader import WatchedFile
from jupyter_qguard.settings.words import POLICY_NAME


def load(
    project_dir: Path | None,
    *,
    root: Path,
    env: Mapping[str, str],
    known_rules: Collection[str] | None = None,
    project_file: Path | None = None,
    system_dirs: Sequence[Path] | None = None,
    user_dir: Path | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    pause_file: Path | None = None,
    baseline_file: Path | None = None,
    use_baselines: bool = True,
) -> Policies:
    """Read every policy file that applies below ``root``.

    ``project_dir`` is the folder whose project policy ``digest`` speaks of (None: the root);
    ``project_file`` takes the place of every project file (``--policy F``), ``baseline_file`` of every
    baseline. ``system_dirs`` and ``user_dir`` default to Jupyter's. ``known_rules`` are the rule ids that exist;
    None takes any.
    ``pause_file`` is where a pause would stand; None: no pause counts.

    Raises ConfigError for a bad system or user file, a bad ``QGUARD_MODE``, ``QGUARD_ADMIN_POLICY``,
    ``project_file`` or ``baseline_file``. A bad project file is a problem instead: the defaults hold.
    """
    folders = paths.system_config_dirs(env) if system_dirs is None else tuple(system_dirs)
    # Weakest precedence first, and Jupyter lists its folders strongest first.
    shared = [
        WatchedFile(folder / POLICY_NAME, "system", f"system {POLICY_NAME}", "", known_rules)
        for folder in reversed(folders)
    ]
    notices = []
    for file in shared:
        file.refresh()
    admin = env.get("QGUARD_ADMIN_POLICY", "")
    if admin and any(file.present for file in shared):
        notices.append("QGUARD_ADMIN_POLICY is ignored: a system policy file exists.")
    elif admin:
        path = Path(admin).absolute()
        file = WatchedFile(path, "system", f"system {path.name}", "", known_rules)
        file.refresh()
        if not file.present:
            raise ConfigError(f"QGUARD_ADMIN_POLICY names a file that does not exist: {path}.", "Unset or correct it.")
        shared.append(file)
    user = (user_dir or paths.user_config_dir(env)) / POLICY_NAME
    shared.append(WatchedFile(user, "user", f"user {POLICY_NAME}", "", known_rules))
    shared[-1].refresh()
    for file in shared:
        _must_be_good(file)
    only = None
    if project_file is not None:
        only = WatchedFile(project_file, "project", f"project {project_file.name}", "", known_rules)
        only.refresh()
        if not only.present:
            raise ConfigError(f"The policy file {project_file} does not exist or holds no policy.", "Name another.")
        _must_be_good(only)
    policies = Policies(
        root=root,
        env=env,
        known_rules=known_rules,
        here=project_dir,
        only=only,
        shared=shared,
        notices=notices,
        clock=clock,
        baselines=Baselines(root, known_rules=known_rules, only=baseline_file, off=not use_baselines),
        pause=PauseFile(pause_file) if pause_file is not None else None,
    )
    policies.effective("x")  # a bad QGUARD_MODE is to be found now
    return policies


def _must_be_good(file: WatchedFile) -> None:
    errors = [problem.sentence() for problem in errors_of(file)]
    if errors:
        more = f" ({len(errors) - 1} more: run `qguard policy check`)" if len(errors) > 1 else ""
        raise ConfigError(errors[0] + more, "Correct or remove the file.")
