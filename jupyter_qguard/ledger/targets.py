"""Where signed heads are kept: a folder, a git repository's notes, an operator's URL. Imported when a head is due.

``put`` hands one head over and returns nothing; it raises :class:`TargetError` with a clause that quotes no address.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from jupyter_qguard import files
from jupyter_qguard.errors import InputError
from jupyter_qguard.ledger import note
from jupyter_qguard.ledger.note import Head

LATEST = "latest.note"
GIT_REF = "refs/notes/qguard"
HTTP_SECONDS = 5.0
GIT_SECONDS = 10.0
_REFUSED = "git refused: the repository cannot be written, or its notes are locked"


class TargetError(Exception):
    """Why a head could not be kept, as a clause."""


class Target(Protocol):
    """One place for heads. ``name`` says what it is to a person."""

    name: str

    def put(self, head: Head) -> None:
        """Keep one head, durable on return. Raises ``TargetError``."""


def conflict(known: Head | None, size: int, root: bytes) -> str | None:
    """Return why a tree cannot have grown out of the one that a head was signed of, as far as that shows at once."""
    if known is not None and known.size > size:
        return (
            f"a head over {known.size} entries was signed, and the ledger has {size} now: entries were cut off "
            "(`qguard ledger verify` tells)"
        )
    if known is not None and known.size == size and known.root != root:
        return (
            f"another head over {size} entries was signed: the ledger was written anew (`qguard ledger verify` tells)"
        )
    return None


class FolderTarget:
    """A folder: ``<id>/latest.note`` and one head per day beside it, both replaced whole. ``id`` is the ledger's."""

    def __init__(self, folder: Path, name: str = "folder") -> None:
        self.folder = folder
        self.name = name

    def own(self, origin: str) -> Path:
        """Return the folder of one ledger's heads."""
        return self.folder / _slug(origin)

    def put(self, head: Head) -> None:
        own = self.own(head.origin)
        try:
            files.private_folder(own)
            with files.FileLock(own / ".lock", 5.0):
                known = self.latest(head.origin)
                reason = conflict(known, head.size, head.root)
                if reason is not None:
                    raise TargetError(reason)
                for name in (f"{time.strftime('%Y-%m-%d', time.gmtime())}.note", LATEST):
                    files.write_private(own / name, head.note())
                files.sweep(own)
        except OSError as error:
            raise TargetError(files.why(error)) from None

    def latest(self, origin: str) -> Head | None:
        """Return the last head of a ledger here, None if there is none. Raises ``OSError``, ``TargetError``."""
        found = _read(self.own(origin) / LATEST)
        return found[-1] if found else None

    def all(self, origin: str) -> list[Head]:
        """Return every head of a ledger here, oldest first. Raises ``OSError``, ``TargetError``."""
        found: list[Head] = []
        for path in sorted(self.own(origin).glob("*.note")):
            found += [head for head in _read(path) if head not in found]
        return sorted(found, key=lambda head: head.size)

    def others(self, origin: str) -> list[str]:
        """Return the ids of other ledgers that have heads here."""
        try:
            entries = sorted(path.name for path in self.folder.iterdir() if (path / LATEST).is_file())
        except OSError:
            return []
        return [name for name in entries if name != _slug(origin)]


class GitTarget:
    """A note under ``refs/notes/qguard`` on the repository's current commit; without one, on a blob with the origin.

    A head takes the place of this ledger's older one on the same commit; those of other ledgers stay. The notes' own
    history keeps every head, and can be pushed.
    """

    name = "git notes"

    def __init__(self, repository: Path, env: Mapping[str, str]) -> None:
        self._repository = repository
        # A hook or filter runs with GIT_DIR and the like of the repository that called it.
        self._env = {key: value for key, value in env.items() if not key.startswith("GIT_")} | {
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C",
        }

    def put(self, head: Head) -> None:
        commit = self._git("rev-parse", "--quiet", "--verify", "HEAD^{commit}", may_fail=True).strip()
        if not commit:
            self._git("rev-parse", "--git-dir", why="no git repository is there")  # told from one without commits
        target = commit or self._git("hash-object", "-w", "--stdin", input=head.origin.encode() + b"\n").strip()
        there = self._git("notes", f"--ref={GIT_REF}", "show", target, may_fail=True).encode()
        kept = [one.note() for one in _parsed(there) if one.origin != head.origin]
        text = b"\n".join([*kept, head.note()])
        identity = ("-c", "user.name=jupyter-qguard", "-c", "user.email=jupyter-qguard@localhost")
        blob = self._git("hash-object", "-w", "--stdin", input=text).strip()  # `notes add -F` would strip lines
        self._git(*identity, "notes", f"--ref={GIT_REF}", "add", "-f", "-C", blob, target)

    def _git(self, *arguments: str, input: bytes = b"", may_fail: bool = False, why: str = _REFUSED) -> str:
        import subprocess  # here, not above: most heads go to a folder alone

        try:
            done = subprocess.run(  # noqa: S603  (fixed words and object ids)
                ["git", "-C", str(self._repository), *arguments],  # noqa: S607  (the user's own git)
                input=input,
                capture_output=True,
                env=self._env,
                timeout=GIT_SECONDS,
                check=False,
            )
        except FileNotFoundError:
            raise TargetError("git is not installed") from None
        except (OSError, subprocess.SubprocessError):
            raise TargetError("git did not answer in time") from None
        if done.returncode and not may_fail:
            raise TargetError(why)
        return "" if done.returncode else done.stdout.decode("utf-8", "replace")


class HttpTarget:
    """An operator's URL. One that ends in ``/`` gets ``PUT <url><id>-<size>.note``, any other ``POST``; 2xx means kept.

    Redirects are not followed; no credential of any kind is sent.
    """

    name = "URL"

    def __init__(self, url: str, seconds: float = HTTP_SECONDS) -> None:
        self._url = url
        self._seconds = seconds

    def put(self, head: Head) -> None:
        import http.client
        import urllib.error
        import urllib.request

        class Stay(urllib.request.HTTPRedirectHandler):
            def redirect_request(self, *_: object, **__: object) -> None:
                return None

        named = self._url.endswith("/")
        request = urllib.request.Request(  # noqa: S310  (http and https only: the policy file is checked)
            f"{self._url}{_slug(head.origin)}-{head.size:012d}.note" if named else self._url,
            data=head.note(),
            method="PUT" if named else "POST",
            headers={"Content-Type": "text/plain; charset=utf-8"},
        )
        try:
            with urllib.request.build_opener(Stay).open(request, timeout=self._seconds) as answer:
                if not 200 <= answer.status < 300:
                    raise TargetError(f"the server answered {answer.status}")
        except urllib.error.HTTPError as error:
            with error:
                raise TargetError(f"the server answered {error.code}") from None
        except (OSError, http.client.HTTPException, ValueError):
            raise TargetError("the server cannot be reached") from None


def _slug(origin: str) -> str:
    """Return a ledger's id as a file's name."""
    return "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in origin.rsplit("/", 1)[-1])


def _read(path: Path) -> list[Head]:
    try:
        return note.parse(path.read_bytes())
    except FileNotFoundError:
        return []
    except InputError as error:
        raise TargetError(f"{path.name} there is damaged: {error.message}") from None


def _parsed(data: bytes) -> list[Head]:
    try:
        return note.parse(data)
    except InputError:
        return []


def resolved(text: str) -> Path:
    """Return a folder from a policy file's text; ``~`` is the home folder."""
    return Path(os.path.expanduser(text))  # noqa: PTH111  (Path.expanduser raises where there is no home)
