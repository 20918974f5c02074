"""``qguard scrub``: old copies with secrets in them, found and cleaned. Changes nothing unless ``--yes`` says so."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import click

from jupyter_qguard.cli import exits
from jupyter_qguard.cli.exits import UsageError, os_reason
from jupyter_qguard.cli.names import harmless, shown
from jupyter_qguard.cli.scrub_item import TITLES, Item, Kind, Spot
from jupyter_qguard.errors import ConfigError, QGuardError
from jupyter_qguard.messages import count

_DELETABLE = ("checkpoint", "store", "trash")
_DOES = {"redact": "redact", "delete": "delete", "report": "left to you"}


@click.command("scrub", short_help="Find old copies with secrets in them; clean them with --yes.")
@click.argument("path", default=".", metavar="[PATH]", type=click.Path())
@click.option("--yes", is_flag=True, help="Do it. Without this nothing is changed.")
@click.option(
    "--delete",
    "deleted",
    multiple=True,
    type=click.Choice(_DELETABLE),
    help="Delete this kind where it would be redacted or only told of. May be given several times.",
)
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to tell."
)
def command(path: str, yes: bool, deleted: tuple[str, ...], form: str) -> int:
    """Find old copies with secrets in them; clean them with --yes.

    Below the folder PATH (default: the current one): checkpoints, leftovers of interrupted saves (.~*, *.invalid),
    collaboration stores, .virtual_documents. For the user: IPython history, trash, checkpoints in the system's
    temporary folder, JupyterLab's workspaces. Notebooks themselves are not touched: qguard scan, qguard redact.
    """
    root = Path(path)
    if not root.is_dir():
        raise UsageError("PATH is no folder.", "Name the folder that holds the notebooks.")
    root = Path(os.path.abspath(root))  # noqa: PTH100  (a link above stays as the user wrote it)
    notes: list[str] = []
    items = list(found(root, frozenset(cast("tuple[Kind, ...]", deleted)), notes))
    if yes:
        for item in items:
            _do(item)
    if form == "json":
        click.echo(json.dumps(_document(root, items, yes, notes), ensure_ascii=True, indent=1))
    else:
        _tell(root, items, yes, notes)
    if any(item.problem for item in items):
        return exits.FAILED
    return exits.FOUND if items and not yes else exits.CLEAN


def found(root: Path, delete: frozenset[Kind], notes: list[str]) -> Iterator[Item]:
    """Yield everything there is to do, file by file. ``notes`` gets sentences about what was cut short."""
    from jupyter_qguard.cli import scrub_history, scrub_places
    from jupyter_qguard.cli.judge import Judge
    from jupyter_qguard.cli.scrub_files import Cleaner

    judge = Judge(Path.cwd(), os.environ)
    judge.guard(root)  # an installation or policy that does not work is told once, before anything is looked at
    cleaner = Cleaner(judge, delete)
    env = os.environ
    places: tuple[Callable[[], Iterable[Spot]], ...] = (
        lambda: scrub_places.project(root),
        scrub_places.shared_checkpoints,
        lambda: scrub_places.histories(env),
        lambda: scrub_places.trash(env),
        lambda: scrub_places.workspaces(env),
    )
    seen: set[str] = set()
    for listed in places:
        try:
            for spot in listed():
                real = os.path.realpath(spot.path)
                if real in seen:  # the trash or IPython's folder may lie below PATH
                    continue
                seen.add(real)
                item = scrub_history.item(spot, judge) if spot.kind == "history" else cleaner.item(spot)
                if item is not None:
                    yield item
        except scrub_places.CutShort:
            notes.append(
                f"Only the first {scrub_places.MOST_FILES} files of one folder were looked at; name a smaller one."
            )


def _do(item: Item) -> None:
    """Do one thing; what fails is that item's problem, and nothing was done to it."""
    if item.act is None or item.problem:
        return
    try:
        done = item.act()
    except ConfigError:
        raise
    except QGuardError as error:
        item.problem = error.sentence()
    except OSError as error:
        item.problem = f"{os_reason(error)}. Nothing was done to it."
    except Exception as error:  # its text may quote the content
        item.problem = f"it could not be cleaned ({exits.place(error)}). Run `qguard doctor`."
    else:
        item.done, item.kept = done.text, done.kept


def _tell(root: Path, items: list[Item], yes: bool, notes: list[str]) -> None:
    for item in items:
        click.echo(f"{_verb(item, yes)}: {item.path} ({TITLES[item.spot.kind]})")
        if item.findings:
            click.echo(f"    {item.what()}")
        click.echo(f"    {item.done or item.why}" + (f"; {count(item.kept, 'value')} kept" if item.kept else ""))
        if item.problem:
            click.echo(f"    problem: {harmless(item.problem)}")
    if items:
        click.echo("")
    click.echo(_summary(items, yes))
    if any(item.kept for item in items):
        click.echo("Kept values: qguard kept list")
    for note in notes:
        click.echo(note)
    click.echo("")
    click.echo("Out of its reach:")
    for what, then in beyond(root):
        click.echo(f"  {what}: {then}")


def _verb(item: Item, yes: bool) -> str:
    if item.problem:
        return "FAILED"
    if item.done:
        return "done"
    return _DOES[item.action] if not yes or item.action == "report" else "FAILED"


def _summary(items: list[Item], yes: bool) -> str:
    if not items:
        return "Nothing to clean was found."
    counts = Counter("failed" if item.problem else item.action for item in items)
    parts = [
        f"{counts['redact']} {'redacted' if yes else 'to redact'}",
        f"{counts['delete']} {'deleted' if yes else 'to delete'}",
        f"{counts['report']} left to you",
    ]
    if counts["failed"]:
        parts.append(f"{counts['failed']} could not be judged or cleaned")
    text = ", ".join(parts) + "."
    return text if yes else f"Nothing was changed: {text} To do it: the same command with --yes."


def beyond(root: Path) -> list[tuple[str, str]]:
    """Return what no clean-up reaches, and what to do about each."""
    top = next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), None)
    told = []
    if top is not None:
        told.append(
            (
                "git history",
                f"commits that hold notebooks: git -C {_quoted(top)} log --all --oneline -- '*.ipynb'; "
                "a value that was ever pushed has to be replaced at its vendor",
            )
        )
    told += [
        ("notebooks and other files themselves", f"qguard scan {_quoted(root)}, then qguard redact --in-place FILE"),
        ("backups, snapshots and sync services", "delete or rotate them where they are kept"),
        ("other people's copies: mail, chat, clones, shared folders", "ask, and replace the credential"),
        ("flash disks", "they keep overwritten blocks for a while; only an encrypted disk helps"),
        ("browsers", "drafts and sessions they keep: clear the site's data"),
        ("kernels that are running", "what they remember is written when they end: restart them, then run this again"),
    ]
    return told


def _quoted(path: Path) -> str:
    import shlex

    return shlex.quote(shown(path))


def _document(root: Path, items: list[Item], yes: bool, notes: list[str]) -> dict[str, Any]:
    for number, row in enumerate((row for item in items for row in item.findings), 1):
        row["id"] = f"f{number}"
    counts = Counter("failed" if item.problem else item.action for item in items)
    return {
        "version": 1,
        "acted": yes,
        "items": [
            {
                "kind": item.spot.kind,
                "path": item.path,
                "action": item.action,
                "why": item.why,
                "done": item.done,
                "kept": item.kept,
                "findings": item.findings,
            }
            | ({"problem": harmless(item.problem)} if item.problem else {})
            for item in items
        ],
        "notes": notes,
        "out_of_reach": [{"what": what, "next": then} for what, then in beyond(root)],
        "summary": {name: counts[name] for name in ("redact", "delete", "report", "failed")},
    }
