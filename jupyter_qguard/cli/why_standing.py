"""Where a value itself still stands: project, checkpoints, leftovers, trash and IPython history, as they are now.

A value is known by its fingerprint, which the scanner gives anew for whatever it finds; one that is kept is also looked
for as text, so that it is found where no rule would. Bounded in time, and says so.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_qguard.cli import safely, scrub_history, scrub_places
from jupyter_qguard.cli.files import relative, root_of, select
from jupyter_qguard.cli.judge import Judge
from jupyter_qguard.cli.names import shown
from jupyter_qguard.cli.scrub_item import TITLES, Spot
from jupyter_qguard.errors import ConfigError, QGuardError
from jupyter_qguard.secret import Secret

MOST_SECONDS = 30.0
MOST_BYTES = 64 * 2**20
"""Of one file; a larger one is counted as not looked into."""
_SHORTEST = 8
"""Characters of a kept value that is looked for as text; a shorter one stands in every other file by chance."""


@dataclass(slots=True)
class Standing:
    """What was found. ``hits``: path as shown, kind of place, and a finding's row or None where no rule fired."""

    hits: list[tuple[str, str, dict[str, Any] | None]] = field(default_factory=list)
    looked: int = 0
    passed_over: int = 0
    out_of_time: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look for: the first 8 digits of a fingerprint, a rule ("" for any), and the kept texts."""

    id8: str
    rule: str
    texts: tuple[Secret, ...]

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Return whether a finding is the value."""
        return str(row["fingerprint"])[:8] == self.id8 and self.rule in ("", row["rule"])

    def needles(self) -> list[bytes]:
        """Return the kept texts as they may stand in a file's bytes."""
        texts = [text.reveal() for text in self.texts if len(text) >= _SHORTEST]
        return [text.encode(codec, "surrogatepass") for text in texts for codec in ("utf-8", "utf-16-le", "utf-16-be")]


def look(
    wanted: Wanted,
    root: Path,
    cwd: Path,
    env: Mapping[str, str],
    *,
    seconds: float = MOST_SECONDS,
    clock: Callable[[], float] = time.monotonic,
    progress: Callable[[int], None] | None = None,
) -> Standing:
    """Look through every place for at most about ``seconds``. Never raises for what a file is."""
    judge = Judge(cwd, env)
    found, needles, end = Standing(), wanted.needles(), clock() + seconds
    for spot in _spots(root, env):
        if clock() >= end:
            found.out_of_time = True
            break
        found.looked += 1
        if progress is not None:
            progress(found.looked)
        try:
            rows = _history(spot, judge, wanted) if spot.kind == "history" else _file(spot, judge, wanted, needles)
        except ConfigError:
            raise
        except (QGuardError, OSError, sqlite3.Error):
            found.passed_over += 1
            continue
        except Exception:  # a scanner that fails on one file must not hide the others
            found.passed_over += 1
            continue
        found.hits += [(shown(os.path.relpath(spot.path, cwd)), TITLES[spot.kind], row) for row in rows]
    return found


def _spots(root: Path, env: Mapping[str, str]) -> Iterator[Spot]:
    """Yield every file once: the project's, then the user's places."""
    seen: set[Path] = set()
    kinds = {spot.path: spot for spot in _all(lambda: scrub_places.project(root))}
    for chosen in select([str(root)]).files:
        path = Path(os.path.abspath(chosen.path))  # noqa: PTH100  (links stay as they are)
        if not chosen.problem and path not in seen:
            seen.add(path)
            yield kinds.get(path) or Spot("file", path.parent, (path.name,))
    places: tuple[Callable[[], Iterator[Spot]], ...] = (
        scrub_places.shared_checkpoints,
        lambda: scrub_places.histories(env),
        lambda: scrub_places.trash(env),
        lambda: scrub_places.workspaces(env),
    )
    for listed in places:
        for spot in _all(listed):
            if spot.path not in seen:
                seen.add(spot.path)
                yield spot


def _all(listed: Callable[[], Iterator[Spot]]) -> Iterator[Spot]:
    try:
        yield from listed()
    except scrub_places.CutShort:
        return


def _file(spot: Spot, judge: Judge, wanted: Wanted, needles: list[bytes]) -> list[dict[str, Any] | None]:
    with safely.folder(spot.base, spot.parts[:-1]) as folder:
        data = folder.read(spot.name, MOST_BYTES).data
    root = root_of(spot.path, judge.cwd, spot.base)
    path = os.fsencode(relative(spot.path, root, judge.cwd)).decode("utf-8", "backslashreplace")
    rows: list[dict[str, Any] | None] = [row for row in judge.look(data, path, root).findings if wanted.matches(row)]
    if not rows and any(needle in data for needle in needles):
        return [None]
    return rows


def _history(spot: Spot, judge: Judge, wanted: Wanted) -> list[dict[str, Any] | None]:
    rows = [row for row in scrub_history.standing(spot, judge, wait=1.0) if wanted.matches(row)]
    return [{**row, "cell_index": None, "field": row["cell_id"], "line": None} for row in rows]


def counting() -> Callable[[int], None] | None:
    """Return what shows progress on a terminal, None where there is none."""
    if not sys.stderr.isatty():
        return None

    def show(number: int) -> None:
        if number % 50 == 0:
            sys.stderr.write(f"\rlooked into {number} files ")
            sys.stderr.flush()

    return show
