"""Kept values: what a redaction took out of a source, held for its owner until it expires."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from jupyter_qguard import files
from jupyter_qguard.broker.backends.interface import Backend
from jupyter_qguard.broker.backends.none import NoBackend
from jupyter_qguard.broker.backends.os_keyring import OsKeyring
from jupyter_qguard.broker.backends.sealed_file import SealedFile
from jupyter_qguard.broker.records import Place, Record, RecordFile, find, new_id
from jupyter_qguard.errors import ConfigError, KeepError
from jupyter_qguard.secret import Secret

VARIABLE = "QGUARD_KEEP"
FOLDER = "kept"
DAYS = 30

_ID8 = re.compile(r"[0-9a-f]{8}")
_Records = list[Record]
_Pile = dict[str, tuple[Record, Secret]]
"""By id; inside the class ``list`` is the method."""


@dataclass(frozen=True, slots=True)
class KeptItem:
    """One value to keep: the marker's ``id8`` (zeros if it has none), its rule, where it stood, and its text."""

    id8: str
    rule: str
    path: str
    cell_id: str | None
    text: Secret


class KeptStore:
    """Kept values of one data folder. Safe for threads and several processes; nothing is touched until used.

    Values go to the keyring where that is safe, else into the sealed file; ``QGUARD_KEEP`` = ``keyring``, ``file``
    or ``none`` decides otherwise (``ConfigError`` for anything else). Metadata always stands in the record file.
    ``clock`` gives seconds since 1970. Not checked: whether keeping is allowed here (on a Hub it is not).
    """

    def __init__(
        self,
        data_dir: Path,
        env: Mapping[str, str],
        clock: Callable[[], float] = time.time,
        *,
        days: float = DAYS,
        keyring: Backend | None = None,
    ) -> None:
        self.folder = data_dir / FOLDER
        self._clock = clock
        self._seconds = days * 86400
        self._file = RecordFile(self.folder)
        self._keyring = keyring or OsKeyring()
        self._sealed = SealedFile(self.folder)
        wanted = env.get(VARIABLE, "").strip().lower()
        if wanted not in ("", "auto", "keyring", "file", "none"):
            raise ConfigError(
                f"{VARIABLE} must be 'keyring', 'file', 'none' or unset.", f"Correct or unset {VARIABLE}."
            )
        self._homes: tuple[Backend, ...] = {
            "keyring": (self._keyring,),
            "file": (self._sealed,),
            "none": (NoBackend(),),
        }.get(wanted, (self._keyring, self._sealed))

    def available(self) -> str | None:
        """Return why no value can be kept here, in one clause, or None. Writes a probe file; may probe the keyring."""
        try:
            if all(isinstance(home, NoBackend) for home in self._homes):
                return self._homes[0].why_not()
            files.private_folder(self.folder)
            files.probe(self.folder)  # the record file is needed for either home
        except OSError as error:
            return f"the folder for kept values cannot be written: {files.why(error)}"
        reasons = []
        for home in reversed(self._homes):  # the file first: it needs no service to answer
            reason = home.why_not()
            if reason is None:
                return None
            reasons.append(reason)
        return "; ".join(reversed(reasons))

    def viability(self) -> tuple[str, ...]:
        """Return a sentence per possible home: used, could be used, or why not. For ``qguard doctor``."""
        sentences = []
        used = False
        for home, title in ((self._keyring, "The system keyring"), (self._sealed, "The sealed file")):
            if home not in self._homes:
                sentences.append(f"{title} is not used, because {VARIABLE} says so.")
            elif (reason := home.why_not()) is not None:
                sentences.append(f"{title} cannot keep values: {reason}.")
            else:
                sentences.append(f"{title} {'could keep' if used else 'keeps'} values.")
                used = True
        return tuple(sentences)

    def keep(self, items: Sequence[KeptItem]) -> tuple[str, ...]:
        """Keep values, all or none, durable on return; return the id of each, in order.

        The same value under the same id8 and rule is kept once: its expiry moves on and the place is added. Another
        value under a taken id8, and every value without one, gets a random ending. Raises ``KeepError``.
        """
        if not items:
            return ()
        if not all(_ID8.fullmatch(item.id8) for item in items):
            raise KeepError("A value to keep has no well-formed id.")
        with self._changing() as (records, bad, expired):
            ids, fresh, again = self._sort(records, items)
            stored = self._store(list(fresh.values()))
            try:
                resealed = self._reseal(again)
                self._file.write([*(resealed.get(one.id, one) for one in records), *stored], bad)
            except BaseException:
                self._forget(stored)
                raise
            self._forget(expired)
            return tuple(ids)

    def list(self) -> list[dict[str, str | None]]:
        """Return metadata, newest value first, one entry per place: id, rule, path, cell_id, until (ISO 8601, UTC)."""
        return [
            {
                "id": record.id,
                "rule": record.rule,
                "path": place.path,
                "cell_id": place.cell_id,
                "until": datetime.fromtimestamp(record.until, UTC).isoformat(),
            }
            for record in reversed(self._live())
            for place in reversed(record.places)
        ]

    def reveal(self, id: str) -> Secret:
        """Return the value kept under an id or a marker. Raises ``InputError`` if there is none, or ``KeepError``."""
        record = find(self._live(), id)
        return self._home(record).get(record)

    def drop(self, id: str) -> None:
        """Forget a value. Raises ``InputError`` if there is none, ``KeepError`` if it cannot be removed."""
        with self._changing() as (records, bad, expired):
            record = find(records, id)
            self._home(record).drop([record])
            self._file.write([one for one in records if one.id != record.id], bad)
            self._forget(expired)

    def expire(self) -> int:
        """Forget what has expired; return how many values. Happens by itself whenever the store is used."""
        with self._changing() as (records, bad, expired):
            if expired:
                self._file.write(records, bad)
                self._forget(expired)
            return len(expired)

    def problems(self) -> tuple[str, ...]:
        """Return what is damaged, in sentences, for ``qguard doctor``."""
        try:
            bad = len(self._file.read()[1])
        except OSError as error:
            return (f"Kept values cannot be read: {files.why(error)}.",)
        return (f"{bad} record(s) of kept values cannot be read; the others are intact.",) if bad else ()

    @contextmanager
    def _changing(self) -> Iterator[tuple[_Records, Sequence[bytes], _Records]]:
        """Hold the lock; give live records, unreadable lines and expired records."""
        try:
            with self._file.locked():
                records, bad = self._file.read()
                now = self._clock()
                yield [one for one in records if one.until > now], bad, [one for one in records if one.until <= now]
        except OSError as error:
            raise KeepError(
                f"Kept values cannot be written: {files.why(error)}.",
                "Make room or set QGUARD_DATA_DIR to a folder that can be written; 'qguard doctor' shows more.",
            ) from None

    def _live(self) -> _Records:
        try:
            records, _ = self._file.read()
        except OSError as error:
            raise KeepError(f"Kept values cannot be read: {files.why(error)}.", "See 'qguard doctor'.") from None
        now = self._clock()
        live = [one for one in records if one.until > now]
        if len(live) < len(records):
            with suppress(KeepError):  # a folder that is read-only now must not hide what is still valid
                self.expire()
        return live

    def _sort(self, records: Sequence[Record], items: Sequence[KeptItem]) -> tuple[Sequence[str], _Pile, _Pile]:
        """Return the ids, the values that are new and those that were kept before, each by id."""
        until = int(self._clock() + self._seconds)
        ids = []
        fresh: _Pile = {}
        again: _Pile = {}
        opened: dict[str, Secret | None] = {}
        taken = {one.id for one in records}
        for item in items:
            place = Place(item.path, item.cell_id)
            for pile, known in ((fresh, [one for one, _ in fresh.values()]), (again, records)):
                same = next((one for one in known if self._same(one, item, opened)), None)
                if same is not None:
                    latest = pile[same.id][0] if same.id in pile else same
                    pile[same.id] = (latest.at(place, until), item.text)
                    ids.append(same.id)
                    break
            else:
                new = new_id(item.id8, taken)
                taken.add(new)
                opened[new] = item.text
                fresh[new] = (Record(new, item.id8, item.rule, (place,), until, ""), item.text)
                ids.append(new)
        return ids, fresh, again

    def _same(self, record: Record, item: KeptItem, opened: dict[str, Secret | None]) -> bool:
        if (record.id8, record.rule) != (item.id8, item.rule):
            return False
        if record.id not in opened:
            try:
                opened[record.id] = self._home(record).get(record)
            except KeepError:
                opened[record.id] = None  # it cannot be opened any more: keep the value anew, beside it
        return opened[record.id] == item.text

    def _store(self, entries: Sequence[tuple[Record, Secret]]) -> _Records:
        """Put new values into the first home that takes them all; return their finished records."""
        if not entries:
            return []
        reasons = []
        for home in self._homes:
            placed = [(replace(record, home=home.name), text) for record, text in entries]
            try:
                boxes = home.put(placed)
            except KeepError as error:
                reasons.append(error.message)
                continue
            return [replace(record, box=box) for (record, _), box in zip(placed, boxes, strict=True)]
        raise KeepError(
            f"There is no place to keep a value that would be taken out. {' '.join(reasons)}",
            "Nothing was changed. 'qguard doctor' shows where values can be kept.",
        )

    def _reseal(self, again: Mapping[str, tuple[Record, Secret]]) -> dict[str, Record]:
        """Return the records with their new places and expiry; a seal covers these, so it is made anew."""
        changed = {id: record for id, (record, _) in again.items()}
        sealed = [entry for entry in again.values() if entry[0].home == self._sealed.name]
        if sealed:
            boxes = self._sealed.put(sealed)
            changed |= {one.id: replace(one, box=box) for (one, _), box in zip(sealed, boxes, strict=True)}
        return changed

    def _forget(self, records: Sequence[Record]) -> None:
        """Remove values whose records are gone, as far as possible: an orphan in a keyring hurts nobody."""
        for name in {record.home for record in records}:
            mine = [record for record in records if record.home == name]
            with suppress(KeepError):
                self._home(mine[0]).drop(mine)

    def _home(self, record: Record) -> Backend:
        for home in (self._keyring, self._sealed):
            if home.name == record.home:
                return home
        return NoBackend("this version does not know where the value was put")
