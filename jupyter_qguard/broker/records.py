"""The file of kept values: one line per value with its metadata and its sealed text (or where that is).

JSON Lines, replaced whole in one step under a lock. A line that cannot be read is carried along untouched,
so that damage to one record never costs another.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jupyter_qguard import files
from jupyter_qguard.errors import InputError

VERSION = 1
MOST_PLACES = 50
"""Places listed for one value; the oldest go first."""
NO_ID = "00000000"
_LARGEST = 64 << 20
_MARKER = re.compile(r"\[?REDACTED[:-].*[:-]([0-9a-f]{8})\]?")
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4,16})?")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value was taken out of: path relative to the root, '/'-separated, and the cell's id if it has one."""

    path: str
    cell_id: str | None


@dataclass(frozen=True, slots=True)
class Record:
    """One kept value without its text.

    ``id`` is what a person types; it is the marker's ``id8``, with a random ending where that is taken or zeros.
    ``until`` is in seconds since 1970. ``home`` names a backend, ``box`` is that backend's own text.
    """

    id: str
    id8: str
    rule: str
    places: tuple[Place, ...]
    until: int
    home: str
    box: str = ""

    def associated(self) -> bytes:
        """Return everything but the box in one byte form: the associated data that a seal covers."""
        return _canonical(self._plain())

    def line(self) -> bytes:
        """Return the record as a line of the file."""
        return _canonical({**self._plain(), "box": self.box}) + b"\n"

    def at(self, place: Place, until: int) -> Record:
        """Return the record with one more place (once) and at least that expiry; its box is then out of date."""
        places = (*(known for known in self.places if known != place), place)
        return replace(self, places=places[-MOST_PLACES:], until=max(self.until, until))

    def _plain(self) -> dict[str, Any]:
        return {
            "v": VERSION,
            "id": self.id,
            "id8": self.id8,
            "rule": self.rule,
            "places": [[place.path, place.cell_id] for place in self.places],
            "until": self.until,
            "home": self.home,
        }


class RecordFile:
    """``records.jsonl`` in one private folder. Methods raise plain ``OSError``."""

    def __init__(self, folder: Path, lock_seconds: float = 20.0) -> None:
        self.folder = folder
        self.path = folder / "records.jsonl"
        self._lock_seconds = lock_seconds

    def locked(self) -> files.FileLock:
        """Return the lock to hold from reading until writing. Makes the folder if need be."""
        files.private_folder(self.folder)
        return files.FileLock(self.folder / "records.lock", self._lock_seconds)

    def read(self) -> tuple[list[Record], list[bytes]]:
        """Return the records, oldest first, and the lines that are none."""
        try:
            data = files.read_private(self.path, _LARGEST)
        except FileNotFoundError:
            return [], []
        if len(data) > _LARGEST:
            raise OSError(0, "the file of kept values is too large")
        records: dict[str, Record] = {}
        bad = []
        for line in data.split(b"\n"):
            record = _parse(line)
            if record is not None and record.id not in records:
                records[record.id] = record
            elif line.strip():
                bad.append(line)
        return list(records.values()), bad

    def write(self, records: Sequence[Record], bad: Sequence[bytes]) -> None:
        """Replace the file, durable on return."""
        lines = [record.line() for record in records] + [line + b"\n" for line in bad]
        files.write_private(self.path, b"".join(lines))
        files.sweep(self.folder)  # under the lock nobody else is writing: what lies there is from a crash


def _canonical(plain: dict[str, Any]) -> bytes:
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def _parse(line: bytes) -> Record | None:
    try:
        plain = json.loads(line)
        texts = [plain[name] for name in ("id", "id8", "rule", "home", "box")]
        places = tuple(Place(path, cell_id) for path, cell_id in plain["places"])
        version, until = plain["v"], plain["until"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    sound = (
        version == VERSION
        and type(until) is int
        and all(type(text) is str for text in texts)
        and _ID.fullmatch(texts[0])
        and all(type(place.path) is str and isinstance(place.cell_id, str | None) for place in places)
    )
    if not sound:
        return None
    return Record(id=texts[0], id8=texts[1], rule=texts[2], places=places, until=until, home=texts[3], box=texts[4])


def new_id(id8: str, taken: set[str]) -> str:
    """Return a free id for a value: its id8, or that with a random ending where it is taken or zeros."""
    new = id8
    while new in taken or new == NO_ID:
        new = f"{id8}-{secrets.token_hex(2 if len(taken) < 1000 else 4)}"  # random: an ending must not tell anything
    return new


def find(records: Sequence[Record], id: str) -> Record:
    """Return the record meant by an id, a bare id8 or a marker. Raises ``InputError``."""
    wanted = id.strip()
    marker = _MARKER.fullmatch(wanted)
    wanted = marker[1] if marker else wanted
    exact = [one for one in records if one.id == wanted]
    meant = exact or [one for one in records if one.id8 == wanted]
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise InputError("Several values are kept under this id.", "'qguard kept list' shows the whole id of each.")
    raise InputError("No value is kept under this id.", "It may have expired or been dropped; see 'qguard kept list'.")
