"""Where files live. Every function takes the environment or a folder; nothing is created, and nothing but
the presence of a `.git` is looked at here.

The rules are those of ``jupyter_core.paths``, which reads ``os.environ`` at call
time and so cannot be asked about another environment; only its system folders,
which depend on the installation alone, are taken from it (lazily).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

_TRUE = {"1", "true", "yes", "on", "y"}


def home(env: Mapping[str, str]) -> Path:
    """Return the user's home folder as ``env`` gives it, else as the account database does."""
    name = "USERPROFILE" if sys.platform == "win32" else "HOME"
    return Path(env[name]) if env.get(name) else Path.home()


def data_dir(env: Mapping[str, str]) -> Path:
    """Return the folder for the key, kept values and the ledger: ``QGUARD_DATA_DIR`` or ``<jupyter data>/qguard``."""
    if env.get("QGUARD_DATA_DIR"):
        return Path(env["QGUARD_DATA_DIR"]).absolute()
    return jupyter_data_dir(env) / "qguard"


def cache_dir(env: Mapping[str, str]) -> Path:
    """Return the folder for what can be rebuilt: ``QGUARD_CACHE_DIR`` or the platform's per-user cache folder."""
    if env.get("QGUARD_CACHE_DIR"):
        return Path(env["QGUARD_CACHE_DIR"]).absolute()
    if sys.platform == "darwin":
        return home(env) / "Library" / "Caches" / "jupyter-qguard"
    if sys.platform == "win32":
        local = env.get("LOCALAPPDATA")
        return (Path(local) if local else home(env) / "AppData" / "Local") / "jupyter-qguard" / "Cache"
    return _xdg(env, "XDG_CACHE_HOME", ".cache") / "jupyter-qguard"


def user_config_dir(env: Mapping[str, str]) -> Path:
    """Return Jupyter's user config folder (``JUPYTER_CONFIG_DIR``, else ``~/.jupyter`` or the platform's own)."""
    if env.get("JUPYTER_CONFIG_DIR"):
        return Path(env["JUPYTER_CONFIG_DIR"]).absolute()
    if not _platform_dirs(env):
        return home(env) / ".jupyter"
    if sys.platform == "darwin":
        return home(env) / "Library" / "Application Support" / "Jupyter"
    if sys.platform == "win32":
        local = env.get("LOCALAPPDATA")
        return (Path(local) if local else home(env) / "AppData" / "Local") / "Jupyter"
    return _xdg(env, "XDG_CONFIG_HOME", ".config") / "jupyter"


def system_config_dirs(env: Mapping[str, str]) -> tuple[Path, ...]:
    """Return Jupyter's system config folders, highest priority first.

    ``<sys.prefix>/etc/jupyter`` counts as one: an image or a Hub installs there. In a
    virtual environment that belongs to the user it is a floor the user can move, as
    docs/policy.md says. ``JUPYTER_CONFIG_PATH`` and ``JUPYTER_NO_CONFIG`` are left out on
    purpose: the user sets both. On Windows the machine-wide folder needs
    ``JUPYTER_USE_PROGRAMDATA``, as in jupyter_core.
    """
    from jupyter_core import paths

    found = [Path(folder) for folder in (*paths.ENV_CONFIG_PATH, *paths.SYSTEM_CONFIG_PATH)]
    program_data = env.get("PROGRAMDATA")
    if sys.platform == "win32" and program_data and _flag(env, "JUPYTER_USE_PROGRAMDATA"):
        found.append(Path(program_data) / "jupyter")
    return tuple(dict.fromkeys(found))


def config_dirs(env: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the user's config folder and then the system's, highest priority first."""
    return (user_config_dir(env), *system_config_dirs(env))


def jupyter_data_dir(env: Mapping[str, str]) -> Path:
    """Return Jupyter's own data folder (``JUPYTER_DATA_DIR`` or the platform's)."""
    if env.get("JUPYTER_DATA_DIR"):
        return Path(env["JUPYTER_DATA_DIR"]).absolute()
    if sys.platform == "darwin":
        base = home(env) / "Library"
        return base / "Application Support" / "Jupyter" if _platform_dirs(env) else base / "Jupyter"
    if sys.platform == "win32":
        roaming = env.get("APPDATA")
        return Path(roaming) / "jupyter" if roaming else user_config_dir(env) / "data"
    return _xdg(env, "XDG_DATA_HOME", ".local", "share") / "jupyter"


def _xdg(env: Mapping[str, str], name: str, *default: str) -> Path:
    value = env.get(name, "")
    # The base-directory specification says that a relative value is to be ignored.
    return Path(value) if os.path.isabs(value) else home(env).joinpath(*default)  # noqa: PTH117


def _platform_dirs(env: Mapping[str, str]) -> bool:
    return _flag(env, "JUPYTER_PLATFORM_DIRS")


def _flag(env: Mapping[str, str], name: str) -> bool:
    return env.get(name, "").strip().lower() in _TRUE


def root_of(path: Path, cwd: Path, base: Path | None = None) -> Path:
    """Return the folder above which no project policy is looked for.

    The repository that holds ``path``; without one, the current folder if it holds ``path``, else
    ``base`` (the folder that was named), else the file's own folder.
    """
    here = Path(os.path.normpath(cwd / path))
    folder = here if here.is_dir() else here.parent
    for candidate in (folder, *folder.parents):
        if (candidate / ".git").exists():
            return candidate
    if cwd in (folder, *folder.parents):
        return cwd
    return Path(os.path.normpath(cwd / base)) if base is not None else folder


def relative(path: Path, root: Path, cwd: Path) -> str:
    """Return ``path`` below ``root``, '/'-separated, as policy globs see it. A link keeps its own name."""
    here = Path(os.path.normpath(cwd / path))
    return here.relative_to(root).as_posix() if here.is_relative_to(root) else here.name
