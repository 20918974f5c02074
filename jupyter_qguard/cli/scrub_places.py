"""Where old secrets lie beside a notebook: names and folders only, nothing is read here. Links are never followed."""

from __future__ import annotations

import os
import re
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from jupyter_qguard import paths
from jupyter_qguard.cli.files import SKIPPED_FOLDERS
from jupyter_qguard.cli.safely import mine
from jupyter_qguard.cli.scrub_item import Kind, Spot

CHECKPOINTS = ".ipynb_checkpoints"
SHADOWS = ".virtual_documents"
STORES = frozenset({".jupyter_ystore.db"})
MOST_FILES = 200_000
"""Of one tree; a larger one is said to be cut short."""
_OURS = re.compile(r"\.~qguard-[0-9a-f]{16}|\.~qguard-[a-z0-9_]{8}|\.qguard-[a-z0-9_]{8}")
"""As server/doors/files.py, upload.py and cli/output.py name them. The last two are tempfile's own random part."""
_WORKSPACE = ".jupyterlab-workspace"


class CutShort(Exception):
    """A tree has more files than are looked at."""


def project(root: Path) -> Iterator[Spot]:
    """Yield checkpoints, leftovers, temporary files, stores and shadows below a folder, sorted."""
    for parts in _walk(root):
        kind = _kind(parts)
        if kind is not None:
            yield Spot(kind, root, parts)


def main_of(spot: Spot) -> tuple[str, ...] | None:
    """Return the parts of the file that a checkpoint or a leftover is a copy of, None where that is unknown."""
    name = spot.name
    if spot.kind == "checkpoint" and len(spot.parts) > 1 and spot.parts[-2] == CHECKPOINTS:
        stem, dot, ending = name.rpartition(".")
        stem, ending = (stem, dot + ending) if dot else (ending, "")
        if stem.endswith("-checkpoint"):
            return (*spot.parts[:-2], stem.removesuffix("-checkpoint") + ending)
    if spot.kind == "leftover" and name.startswith(".~"):
        return (*spot.parts[:-1], name[2:])
    return None


def shared_checkpoints() -> Iterator[Spot]:
    """Yield what FileCheckpoints wrote where a notebook's own folder was read-only; other users' files are left out."""
    base = Path(tempfile.gettempdir())
    folder = base / "jupyter_checkpoints"
    if folder.is_symlink() or not folder.is_dir():
        return
    for parts in _walk(folder):
        if mine(folder.joinpath(*parts).lstat().st_uid):
            yield Spot("checkpoint", base, ("jupyter_checkpoints", *parts))


def histories(env: Mapping[str, str]) -> Iterator[Spot]:
    """Yield IPython's history files, those set aside as damaged among them."""
    base = ipython_dir(env)
    if not base.is_dir():
        return
    for profile in sorted(base.glob("profile_*")):
        if profile.is_symlink():
            continue
        for file in sorted(profile.glob("history*.sqlite")):
            if stat.S_ISREG(file.lstat().st_mode):
                yield Spot("history", base, (profile.name, file.name))


def ipython_dir(env: Mapping[str, str]) -> Path:
    """Return IPython's folder: ``IPYTHONDIR`` or ``~/.ipython`` (IPython.paths.get_ipython_dir)."""
    named = env.get("IPYTHONDIR", "")
    return Path(named).expanduser().absolute() if named else paths.home(env) / ".ipython"


def trash(env: Mapping[str, str]) -> Iterator[Spot]:
    """Yield deleted notebooks (and their leftovers) in every trash folder of this user that can be found."""
    for base in trash_folders(env):
        for parts in _walk(base, everything=True):
            if parts[-1].endswith((".ipynb", ".ipynb.invalid")):
                yield Spot("trash", base, parts)


def trash_folders(env: Mapping[str, str]) -> list[Path]:
    """Return existing folders with deleted files: the home's, and each mounted disk's own (XDG trash, macOS)."""
    home = paths.home(env)
    data = env.get("XDG_DATA_HOME", "")
    found = [(Path(data) if os.path.isabs(data) else home / ".local" / "share") / "Trash" / "files"]  # noqa: PTH117
    if sys.platform == "darwin":
        found.append(home / ".Trash")
    if hasattr(os, "getuid"):
        for top in _mounts():
            found += [
                top / f".Trash-{os.getuid()}" / "files",
                top / ".Trash" / str(os.getuid()) / "files",
                top / ".Trashes" / str(os.getuid()),
            ]
    return [folder for folder in dict.fromkeys(found) if _own_folder(folder)]


def workspaces(env: Mapping[str, str]) -> Iterator[Spot]:
    """Yield JupyterLab's saved workspaces and the user's settings."""
    lab = paths.user_config_dir(env) / "lab"
    named = (("JUPYTERLAB_WORKSPACES_DIR", "workspaces"), ("JUPYTERLAB_SETTINGS_DIR", "user-settings"))
    for variable, name in named:
        base = Path(env[variable]).absolute() if env.get(variable) else lab / name
        if base.is_dir():
            for parts in _walk(base):
                if parts[-1].endswith((_WORKSPACE, ".jupyterlab-settings")):
                    yield Spot("workspace", base, parts)


def _kind(parts: tuple[str, ...]) -> Kind | None:
    name = parts[-1]
    if _OURS.fullmatch(name):
        return "temporary"
    if name in STORES:
        return "store"
    if CHECKPOINTS in parts[:-1]:
        return "checkpoint"
    if name.startswith(".~") or name.endswith(".invalid"):
        return "leftover"
    return "shadow" if SHADOWS in parts[:-1] else None


def _walk(root: Path, *, everything: bool = False) -> Iterator[tuple[str, ...]]:
    """Yield the parts of every regular file below ``root``, sorted. Folders that cannot be read are passed over."""
    pending: list[tuple[str, ...]] = [()]
    seen = 0
    while pending:
        above = pending.pop()
        try:
            with os.scandir(root.joinpath(*above)) as listing:
                entries = sorted(listing, key=lambda entry: os.fsencode(entry.name))
        except OSError:
            continue
        below = []
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    if everything or not _left_out(entry):
                        below.append((*above, entry.name))
                elif entry.is_file(follow_symlinks=False):
                    seen += 1
                    if seen > MOST_FILES:
                        raise CutShort
                    yield (*above, entry.name)
            except OSError:
                continue
        pending.extend(reversed(below))


def _left_out(entry: os.DirEntry[str]) -> bool:
    return entry.name in SKIPPED_FOLDERS or Path(entry.path, "pyvenv.cfg").exists()


def _own_folder(folder: Path) -> bool:
    try:
        info = folder.lstat()
    except (OSError, ValueError):
        return False
    return stat.S_ISDIR(info.st_mode) and mine(info.st_uid)


def _mounts(table: Path = Path("/proc/self/mountinfo")) -> list[Path]:
    """Return where file systems are mounted (Linux; on macOS the volumes). proc_pid_mountinfo(5), fifth field."""
    try:
        lines = table.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        volumes = Path("/Volumes")
        return sorted(volumes.iterdir()) if volumes.is_dir() else []
    tops = []
    for line in lines:
        fields = line.split(" ")
        if len(fields) > 5 and not fields[4].startswith(("/proc", "/sys", "/dev/")):
            tops.append(Path(fields[4].replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")))
    return list(dict.fromkeys(tops))
