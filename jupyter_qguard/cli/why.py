"""``qguard why``: what stands behind a marker. Says everything about a value except the value."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from jupyter_qguard.cli import exits
from jupyter_qguard.cli.files import root_of, select
from jupyter_qguard.cli.names import harmless, shown
from jupyter_qguard.cli.times import when
from jupyter_qguard.errors import QGuardError
from jupyter_qguard.messages import count
from jupyter_qguard.secret import Secret

NO_ID = "00000000"
_MARKER = re.compile(
    r"\[REDACTED:(?P<rule>[a-z0-9-]+):(?P<id8>[0-9a-f]{8})\]|REDACTED-(?P<rule2>[a-z0-9-]+)-(?P<id82>[0-9a-f]{8})"
)
_ID = re.compile(r"[0-9a-f]{8}(?:[0-9a-f]{56})?|[0-9a-f]{8}-[0-9a-f]{4,16}")
_EVENTS = 1000
_SHOWN = 20
_TREE_FILES = 20_000
_TREE_BYTES = 64 * 2**20
"""Per file: a marker in a larger one is not looked for."""


@dataclass(frozen=True, slots=True)
class Sought:
    """What the argument names. ``rule`` is empty where only an id was given."""

    rule: str
    id8: str


@click.command("why", short_help="Say what was taken out, when, by which rule, and where else it stands.")
@click.argument("marker", metavar="MARKER|FINDING")
def command(marker: str) -> int:
    """Say what was taken out, when, by which rule, and where else it stands.

    MARKER is what stands in the file, [REDACTED:rule:id], or its id alone; FINDING is a finding's
    fingerprint. The record, the kept values and the current project's files are searched, and for the value itself
    also checkpoints, leftovers, trash and IPython's history, for half a minute at most.
    """
    sought = _parse(marker)
    if sought is None:
        raise exits.UsageError(
            "This is no marker and no id.", "Give [REDACTED:rule:id] in quotes, or the 8 characters at its end."
        )
    cwd = Path.cwd()
    known = _record(sought)
    known = _kept(sought) or known
    root = root_of(cwd, cwd)
    known = _tree(sought, root, cwd) or known
    known = _standing(sought, root, cwd) or known
    if not known:
        click.echo("Nothing is known about it here: not in the record, not kept, not in this folder's files.")
        click.echo("next: ask on the machine and as the user that redacted it; ids mean nothing elsewhere.")
        return exits.FOUND
    return exits.CLEAN


def _parse(text: str) -> Sought | None:
    text = text.strip().strip("\"'")
    found = _MARKER.search(text)
    if found:
        return Sought(found["rule"] or found["rule2"], found["id8"] or found["id82"])
    if _ID.fullmatch(text):
        return Sought("", text[:8])
    return None


def _record(sought: Sought) -> bool:
    """Print what the ledger holds."""
    from jupyter_qguard import paths
    from jupyter_qguard.ledger.ledger import Ledger

    ledger = Ledger(paths.data_dir(os.environ), env=os.environ)
    rows = [
        (event, finding)
        for event in ledger.decisions(marker=sought.id8, limit=_EVENTS)
        for finding in event.findings
        if finding.get("id8") == sought.id8 and sought.rule in ("", finding["rule"])
    ]
    if sought.id8 == NO_ID:
        click.echo(
            "This marker has no id of its own (a value that could be guessed, or written where no key is shared),"
        )
        click.echo("so what follows is every decision of that kind.")
    if not rows:
        click.echo("record: nothing under this id.")
        return False
    _title(rows[0][1]["rule"])
    click.echo("record:")
    for event, finding in rows[:_SHOWN]:
        click.echo(
            f"  {when(event.time)}  {event.door}: {finding['action']}  {_where(event.path, finding)}"
            + "".join(f"  {part}" for part in (_by(event), f"[{harmless(event.note)}]" if event.note else "") if part)
        )
    if len(rows) > _SHOWN:
        click.echo(f"  and {len(rows) - _SHOWN} more")
    places = sorted({harmless(event.path) for event, _ in rows})
    if len(places) > 1:
        click.echo(f"the same value was met in: {', '.join(places)}")
    return True


def _title(rule_id: str) -> None:
    from jupyter_qguard.scan import rules

    rule = rules.ALL.get(rule_id)
    click.echo(f"rule: {rule_id}" + (f" ({rule.title}): {rule.why}" if rule else ""))


def _where(path: str, finding: Mapping[str, Any]) -> str:
    parts = [harmless(path)] if path else []
    if finding.get("cell_index") is not None:
        cell = f"cell {finding['cell_index'] + 1}"
        parts.append(f"{cell} ({harmless(finding['cell_id'])})" if finding.get("cell_id") else cell)
    if finding.get("field"):
        parts.append(harmless(finding["field"]))
    if finding.get("line"):
        parts.append(f"line {finding['line']}")
    return ", ".join(parts)


def _by(event: Any) -> str:
    mode = "" if event.mode == "enforce" else f" [{event.mode}]"
    return f"(by {harmless(event.who)}){mode}" if event.who else mode.strip()


def _kept(sought: Sought) -> bool:
    """Print whether the value is kept, until when, and how to see it."""
    from jupyter_qguard import paths
    from jupyter_qguard.broker.kept import KeptStore

    store = KeptStore(paths.data_dir(os.environ), env=os.environ)
    rows = [row for row in store.list() if str(row["id"])[:8] == sought.id8 and sought.rule in ("", row["rule"])]
    if not rows:
        click.echo("kept: no (never a source, already dropped, expired, or not kept on this machine).")
        return False
    for row in rows:
        click.echo(
            f"kept: yes, until {when(row['until'] or '')}, from {harmless(str(row['path']))}; "
            f"to see it: qguard kept reveal {row['id']}"
        )
    return True


def _tree(sought: Sought, root: Path, cwd: Path) -> bool:
    """Print where the marker stands in the current project's files."""
    # A file's bytes may be UTF-16; markers are ASCII, so dropping NULs makes them readable.
    rule = re.escape(sought.rule).encode() if sought.rule else rb"[a-z0-9-]+"
    id8 = sought.id8.encode()
    pattern = re.compile(rb"\[REDACTED:" + rule + b":" + id8 + rb"\]|REDACTED-" + rule + b"-" + id8)
    hits: list[str] = []
    files = select([str(root)]).files
    for chosen in files[:_TREE_FILES]:
        if chosen.problem or chosen.size > _TREE_BYTES:
            continue
        try:
            data = chosen.path.read_bytes()
        except OSError:
            continue
        if id8 in data or b"\0" in data[:4096]:
            count = len(pattern.findall(data if id8 in data else data.replace(b"\0", b"")))
            if count:
                hits.append(f"  {shown(os.path.relpath(chosen.path, cwd))}{_cells(data, pattern)}")
    if hits:
        click.echo("stands now in:")
        for line in hits:
            click.echo(line)
    else:
        click.echo(f"stands now in: no file below {shown(root)}")
    if len(files) > _TREE_FILES:
        click.echo(f"  (only the first {_TREE_FILES} files were searched)")
    return bool(hits)


def _standing(sought: Sought, root: Path, cwd: Path) -> bool:
    """Print where the value itself still stands, in files as they are now."""
    from jupyter_qguard.cli import why_standing

    if sought.id8 == NO_ID:
        click.echo(
            "the value itself: not looked for, since it has no id of its own. `qguard scan` finds all of its kind."
        )
        return False
    wanted = why_standing.Wanted(sought.id8, sought.rule, _kept_texts(sought))
    show = why_standing.counting()
    found = why_standing.look(wanted, root, cwd, os.environ, progress=show)
    if show is not None:
        click.echo("\r" + " " * 30 + "\r", nl=False, err=True)
    if found.hits:
        click.echo("THE VALUE ITSELF still stands in:")
        for path, title, row in found.hits[:_SHOWN]:
            place = _where("", row).strip() if row is not None else "as text that no rule finds"
            click.echo(f"  {path}{f' ({title})' if title else ''}{', ' + place if place else ''}")
        if len(found.hits) > _SHOWN:
            click.echo(f"  and {len(found.hits) - _SHOWN} more places")
        click.echo(
            "next: replace it at its vendor; then qguard redact --in-place FILE, and qguard scrub for the copies"
        )
    else:
        click.echo(
            f"the value itself: found in none of {count(found.looked, 'file')} "
            "(project, checkpoints, trash, IPython history, JupyterLab's state)"
        )
    if found.passed_over:
        click.echo(f"  ({count(found.passed_over, 'file')} could not be looked into)")
    if found.out_of_time:
        click.echo(
            f"  (stopped after {why_standing.MOST_SECONDS:.0f} seconds; `qguard scan` and `qguard scrub` look at all)"
        )
    _history_hint(root, found.hits)
    return bool(found.hits)


def _history_hint(root: Path, hits: Sequence[tuple[str, str, object]]) -> None:
    if (root / ".git").exists():
        import shlex

        files = " ".join(shlex.quote(path) for path in sorted({path for path, title, _ in hits if not title})[:5])
        click.echo(
            "git history is not searched. Commits to look at: "
            f"git -C {shlex.quote(shown(root))} log --all --oneline -- {files or chr(39) + '*.ipynb' + chr(39)}"
        )


def _kept_texts(sought: Sought) -> tuple[Secret, ...]:
    """Return the kept values behind the id, to be looked for as text; none where they cannot be opened."""
    from jupyter_qguard import paths
    from jupyter_qguard.broker.kept import KeptStore

    store = KeptStore(paths.data_dir(os.environ), env=os.environ)
    ids = {
        str(row["id"]) for row in store.list() if str(row["id"])[:8] == sought.id8 and sought.rule in ("", row["rule"])
    }
    texts = []
    for one in sorted(ids):
        with contextlib.suppress(QGuardError):
            texts.append(store.reveal(one))
    return tuple(texts)


def _cells(data: bytes, pattern: re.Pattern[bytes]) -> str:
    """Return ``, cells 3 and 7`` for a notebook, or the lines for a text file."""
    try:
        cells = json.loads(data)["cells"]
        numbers = [n for n, cell in enumerate(cells, 1) if pattern.search(json.dumps(cell).encode())]
    except (ValueError, TypeError, KeyError, RecursionError):
        lines = [n for n, line in enumerate(data.replace(b"\0", b"").split(b"\n"), 1) if pattern.search(line)]
        return ", " + _listed("line", lines) if lines else ""
    return ", " + _listed("cell", numbers) if numbers else ", outside its cells"


def _listed(noun: str, numbers: Sequence[int]) -> str:
    return f"{noun}{'s' if len(numbers) > 1 else ''} " + ", ".join(str(n) for n in _few(numbers))


def _few(numbers: Sequence[int]) -> Iterator[int | str]:
    yield from numbers[:10]
    if len(numbers) > 10:
        yield "…"
