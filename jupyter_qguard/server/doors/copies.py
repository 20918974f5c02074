"""The copy door. A file goes through the save door; a folder is copied file by file.

Notebooks in a copied folder are redacted, other files are copied as they are and warned about. Old checkpoints
stay behind, and symbolic links are followed inside the server's root only.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_server.services.contents.manager import AsyncContentsManager, ContentsManager

from jupyter_qguard.guard import Judgement
from jupyter_qguard.server.doors.files import beside
from jupyter_qguard.server.doors.passage import Passage, attach, current, passing, through
from jupyter_qguard.server.doors.reading import is_private, refuse_private
from jupyter_qguard.server.gate import reply_of
from jupyter_qguard.server.refusal import bad_request, disk_error
from jupyter_qguard.server.worker import ready


async def copy(manager: Any, up: Any, from_path: str, to_path: str | None = None) -> Any:
    """Copy a file or folder; the copy is judged, the original left alone."""
    return await through(manager.log, "copy", _copy(manager, up, from_path, to_path))


async def _copy(manager: Any, up: Any, from_path: Any, to_path: Any) -> Any:
    if not isinstance(from_path, str) or not (to_path is None or isinstance(to_path, str)):
        raise bad_request("The path to copy from must be a text")
    refuse_private(manager, from_path)
    refuse_private(manager, to_path)
    with passing(Passage("copy", (to_path or "").strip("/"), sole_copy=False)) as passage:
        if manager.qguard_files:
            reply = await ready(up(from_path, to_path))
        else:
            # A store's own server-side copy would pass nobody; the platform's reads and saves.
            plain = ContentsManager if manager.qguard_blocking else AsyncContentsManager
            reply = await ready(plain.copy(manager, from_path, to_path))  # type: ignore[no-untyped-call]
    return attach(reply, passage.said)


@dataclass(frozen=True)
class _Entry:
    """One file or folder to make: where from, where to, and its path as the policy knows it."""

    source: Path
    target: Path
    path: str
    folder: bool


async def copy_folder(manager: Any, _up: Any, from_path: str, to_path_original: str, to_name: str, to_path: str) -> Any:
    """Copy a folder into a hidden place beside the target, file by file, and show it when all is judged."""
    return await through(manager.log, "copy", _copy_folder(manager, from_path, to_path_original, to_name, to_path))


async def _copy_folder(manager: Any, from_path: str, to_path_original: str, to_name: str, to_path: str) -> Any:
    gate, blocking = manager.qguard_gate, manager.qguard_blocking
    source = Path(manager._get_os_path(from_path.strip("/")))
    target = Path(manager._get_os_path(to_path_original.strip("/"))) / to_name
    if os.path.lexists(target):
        raise bad_request("A file or folder of this name exists already.", status=409, code="exists")
    staged = beside(target)
    api_path = os.path.relpath(target, manager.root_dir).replace(os.sep, "/")
    said: list[Judgement] = []
    left_out: list[str] = []
    entries = _entries(manager, source, staged, api_path, left_out)
    try:
        while (entry := await gate.off_loop(lambda: next(entries, None), blocking=blocking)) is not None:
            if entry.folder:
                entry.target.mkdir()
                continue
            judgement = await _copy_one(manager, entry)
            if reply_of(judgement) is not None:
                said.append(judgement)
        await gate.off_loop(lambda: _finish(source, staged, target), blocking=blocking)
    except OSError as error:
        raise disk_error(error) from None
    finally:
        if staged.exists():
            with suppress(OSError):
                shutil.rmtree(staged)
    passage = current()
    if passage is not None:
        passage.said.extend(said)
    return _report(await ready(manager.get(to_path, content=False)), said, left_out)


async def _copy_one(manager: Any, entry: _Entry) -> Judgement:
    gate, blocking = manager.qguard_gate, manager.qguard_blocking
    request = gate.request("copy", entry.path, sole_copy=False)
    judgement: Judgement = await gate.judge_file(entry.source, request, blocking=blocking)
    content: bytes | None = judgement.content

    def write() -> None:
        if content is None:
            shutil.copyfile(entry.source, entry.target)
        else:
            with entry.target.open("xb") as file:
                file.write(content)
        with suppress(OSError):
            shutil.copystat(entry.source, entry.target)

    await gate.off_loop(write, blocking=blocking)
    return judgement


def _entries(manager: Any, source: Path, staged: Path, api_path: str, left_out: list[str]) -> Iterator[_Entry]:
    """Yield the folder itself, then all that is in it, parents first. Names left out are put into ``left_out``."""
    root, real_staged, start = Path(manager.root_dir).resolve(), staged.resolve(), source.resolve()
    checkpoints = getattr(manager.checkpoints, "checkpoint_dir", ".ipynb_checkpoints")
    waiting: list[tuple[Path, Path, str, tuple[Path, ...]]] = [(source, staged, api_path, (start, *start.parents))]
    while waiting:
        folder, goal, path, above = waiting.pop()
        yield _Entry(folder, goal, path, folder=True)
        for item in sorted(folder.iterdir(), key=lambda item: item.name):
            real = item.resolve()
            if item.name == checkpoints or real == real_staged:  # reached through a link, it would grow without end
                continue
            if is_private(manager, os.path.relpath(item, manager.root_dir).replace(os.sep, "/")):
                continue
            if item.is_symlink() and not (real == root or root in real.parents):
                left_out.append(item.name)
                continue
            with suppress(OSError):
                mode = real.stat().st_mode
                if stat.S_ISDIR(mode) and real not in above:
                    waiting.append((item, goal / item.name, f"{path}/{item.name}", (*above, real)))
                    continue
                if stat.S_ISREG(mode):
                    yield _Entry(item, goal / item.name, f"{path}/{item.name}", folder=False)
                    continue
            left_out.append(item.name)


def _finish(source: Path, staged: Path, target: Path) -> None:
    """Give the folders their times and modes, then show the copy under its name."""
    for folder, _, _ in os.walk(staged, topdown=False):
        with suppress(OSError):
            shutil.copystat(source / Path(folder).relative_to(staged), folder)
    os.rename(staged, target)  # noqa: PTH104  (Path.rename would replace an empty folder of that name)


def _report(model: Any, said: list[Judgement], left_out: list[str]) -> Any:
    """Put into the reply what was changed in the copy, all files together."""
    if not isinstance(model, dict) or not (said or left_out):
        return model
    changed = [judgement for judgement in said if judgement.changed]
    parts = []
    if changed:
        parts.append(f"Notebooks redacted in the copy: {len(changed)}.")
    if len(said) > len(changed):
        parts.append(f"Other files with findings, copied as they are: {len(said) - len(changed)}.")
    if left_out:
        parts.append(f"Links out of the server's folder and special files left out: {len(left_out)}.")
    strictest = max(said, key=lambda judgement: judgement.action, default=None)
    model["qguard"] = {
        "action": str(strictest.action) if strictest else "allow",
        "mode": strictest.mode if strictest else "enforce",
        "findings": [finding for judgement in said for finding in judgement.findings],
        "unchecked": [entry for judgement in said for entry in judgement.unchecked],
        "kept": False,
        "message": " ".join(parts),
    }
    return model
