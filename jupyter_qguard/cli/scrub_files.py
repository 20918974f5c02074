"""Judging and cleaning the files of a clean-up. What is done is judged anew at the moment of doing it."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_qguard.cli import open_files, safely
from jupyter_qguard.cli.exits import os_reason, place
from jupyter_qguard.cli.files import relative, root_of
from jupyter_qguard.cli.judge import Judge
from jupyter_qguard.cli.safely import Content
from jupyter_qguard.cli.scrub_item import Action, Done, Item, Kind, Spot
from jupyter_qguard.cli.scrub_places import main_of
from jupyter_qguard.errors import ConfigError, InputError, QGuardError
from jupyter_qguard.messages import count

if TYPE_CHECKING:
    from jupyter_qguard.cli.asked import Look

MOST_BYTES = 256 * 2**20
"""Of one file; larger ones are told of and not read."""
QUIET_SECONDS = 60.0
"""A leftover younger than this may belong to a save that is going on."""
STALE_SECONDS = 3600.0
"""A temporary file of ours younger than this may belong to an upload that is going on."""


@dataclass(slots=True)
class Cleaner:
    """Judges spots and makes items of them. ``delete``: kinds to delete where they would be redacted or reported."""

    judge: Judge
    delete: frozenset[Kind] = frozenset()
    clock: Callable[[], float] = time.time
    _intact: dict[Path, bool] = field(default_factory=dict)

    def item(self, spot: Spot) -> Item | None:
        """Return what is to be done about a file, None for nothing. What cannot be judged is an item with a problem."""
        if spot.kind == "store":
            return self._store(spot)
        try:
            with safely.folder(spot.base, spot.parts[:-1]) as folder:
                content = folder.read(spot.name, MOST_BYTES)
                age = self.clock() - folder.stat(spot.name).st_ctime
            look = self._look(spot, content.data)
        except FileNotFoundError:
            return None  # gone between the listing and the look
        except ConfigError:
            raise
        except QGuardError as error:
            return Item(spot, "report", "could not be judged", problem=error.sentence())
        except OSError as error:
            reason = "it is larger than 256 MiB" if error.errno == errno.EFBIG else os_reason(error)
            return Item(spot, "report", "could not be judged", problem=f"{reason}. Look into it by hand.")
        except Exception as error:  # its text may quote the content
            return Item(spot, "report", "could not be judged", problem=f"the scanner failed on it ({place(error)}).")
        return self._item(spot, content, look, age)

    def _item(self, spot: Spot, content: Content, look: Look, age: float) -> Item | None:
        chosen = look.to_cut()
        if not chosen and spot.kind != "temporary":
            return None
        rows = [look.findings[number] for number in chosen]
        if not safely.mine(content.owner):
            return Item(spot, "report", "belongs to another user, who has to clean it", rows)
        if spot.kind == "temporary":
            return self._temporary(spot, rows, age)
        if spot.kind in ("shadow", "workspace"):
            why = {
                "shadow": "remove the folder .virtual_documents when no server is running on it",
                "workspace": "take the value out in JupyterLab's settings, or delete the workspace there",
            }[spot.kind]
            return Item(spot, "report", why, rows)
        if spot.kind == "leftover" and age < QUIET_SECONDS:
            return Item(spot, "report", "it may belong to a save that is going on; run the command again later", rows)
        action, why = self._choose(spot, look)
        return Item(spot, action, why, rows, act=self._acting(spot, action))

    def _choose(self, spot: Spot, look: Look) -> tuple[Action, str]:
        if spot.kind in self.delete:
            return "delete", f"because you asked for --delete {spot.kind}; values cut out of sources are kept first"
        main = main_of(spot)
        intact = main is not None and self._is_intact(spot.base, main)
        if spot.kind == "leftover" and main is not None and intact:
            return "delete", f"an older copy of {main[-1]}, which is intact; values cut out of sources are kept first"
        if look.scan.kind != "opaque":
            return "redact", "in place; values cut out of sources are kept first"
        if main is not None and intact:
            return "delete", f"nothing can be cut out of this kind of file, and {main[-1]} is intact"
        return "report", "nothing can be cut out of this kind of file; delete it by hand"

    def _temporary(self, spot: Spot, rows: list[dict[str, object]], age: float) -> Item | None:
        if age < STALE_SECONDS:
            return None  # of a running upload or save
        why = "left by a program that was killed; values cut out of sources are kept first"
        return Item(spot, "delete", why, rows, act=self._acting(spot, "delete"))

    def _store(self, spot: Spot) -> Item:
        """A document arrives in a store a character per row: what it holds cannot be judged row by row."""
        inside = "keeps every change to shared documents, deleted text too"
        user = open_files.in_use(spot.path)
        if user:
            return Item(spot, "report", f"{inside}; {user}: stop it first")
        if "store" not in self.delete:
            return Item(
                spot, "report", f"{inside}; nobody has it open. To delete it: qguard scrub --delete store --yes"
            )
        why = f"{inside}; close browser tabs with shared documents first, and the documents themselves stay"
        return Item(spot, "delete", why, act=lambda: self._delete_store(spot))

    def _look(self, spot: Spot, data: bytes) -> Look:
        root = root_of(spot.path, self.judge.cwd, spot.base) if self._in_project(spot) else spot.base
        path = os.fsencode(relative(spot.path, root, self.judge.cwd)).decode("utf-8", "backslashreplace")
        look = self.judge.look(data, path, root)
        if look.scan.problem and look.to_cut():
            look = self.judge.look(data, path + ".txt", root)  # a broken notebook: the text that it is
        return look

    @staticmethod
    def _in_project(spot: Spot) -> bool:
        return spot.kind in ("leftover", "temporary", "shadow") or "jupyter_checkpoints" not in spot.parts[:1]

    def _is_intact(self, base: Path, parts: tuple[str, ...]) -> bool:
        """Return whether a main file is there, is no link, and reads as what its name says."""
        path = base.joinpath(*parts)
        if path not in self._intact:
            try:
                with safely.folder(base, parts[:-1]) as folder:
                    content = folder.read(parts[-1], MOST_BYTES)
                look = self._look(Spot("leftover", base, parts), content.data)
                notebook = path.suffix.lower() != ".ipynb" or look.scan.kind == "notebook"
                self._intact[path] = bool(content.data) and notebook and not look.scan.problem
            except Exception:  # whatever it is: unsure means no, and the copy stays
                self._intact[path] = False
        return self._intact[path]

    def _acting(self, spot: Spot, action: Action) -> Callable[[], Done] | None:
        if action == "report":
            return None
        return lambda: self._act(spot, action)

    def _act(self, spot: Spot, action: Action) -> Done:
        from jupyter_qguard.cli import asked, scrub_record
        from jupyter_qguard.guard import Request

        with safely.folder(spot.base, spot.parts[:-1]) as folder:
            content = folder.read(spot.name, MOST_BYTES)
            look = self._look(spot, content.data)
            chosen = look.to_cut()
            root = root_of(spot.path, self.judge.cwd, spot.base) if self._in_project(spot) else spot.base
            guard = self.judge.guard(root)
            path = relative(spot.path, root, self.judge.cwd)
            # On a Hub nothing is kept (contract §4), and a copy is cleaned all the same: that was asked for.
            request = Request("commit", path, sole_copy=guard.keeper is not None)
            if action == "delete":
                kept = asked.keep_all(guard, look, chosen, request)
                scrub_record.record(guard, look, request, chosen, scrub_record.note(spot, "deleted"))
                folder.remove(spot.name, content.stamp)
                _forget_trash_info(spot)
                return Done("deleted", len(kept))
            if not chosen or look.scan.kind == "opaque":
                raise InputError("it changed meanwhile.", "Nothing was done to it; run the command again.")
            done = asked.cut(guard, look, chosen, request, record=True, note=scrub_record.note(spot, "redacted"))
            folder.replace(spot.name, done.content, content.stamp)
            text = f"{count(len(chosen), 'secret')} cut out"
            if content.names > 1:
                text += "; it has other names (hard links) that still lead to the old text"
            return Done(text, len(done.kept))

    def _delete_store(self, spot: Spot) -> Done:
        from jupyter_qguard.cli import scrub_record
        from jupyter_qguard.guard import Request

        if user := open_files.in_use(spot.path):
            raise InputError(f"{user}.", "Stop it and run the command again.")
        guard = self.judge.guard(spot.base)
        scrub_record.record(
            guard, None, Request("commit", "/".join(spot.parts)), [], scrub_record.note(spot, "deleted")
        )
        with safely.folder(spot.base, spot.parts[:-1]) as folder:
            for name in (spot.name + "-journal", spot.name + "-wal", spot.name + "-shm", spot.name):
                try:
                    stamp = safely.stamp_of(folder.stat(name))
                except FileNotFoundError:
                    continue
                folder.remove(name, stamp)
        return Done("deleted")


def _forget_trash_info(spot: Spot) -> None:
    """Remove the note that says where a deleted file came from, once the file itself is gone for good."""
    if spot.kind != "trash" or len(spot.parts) != 1 or spot.base.name != "files":
        return
    try:
        with safely.folder(spot.base.parent, ("info",)) as folder:
            name = spot.name + ".trashinfo"
            folder.remove(name, safely.stamp_of(folder.stat(name)))
    except OSError:
        return  # a note without its file misleads nobody; trash programs drop it themselves
