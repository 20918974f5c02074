"""``qguard export``: a notebook in another format, judged before and after an exporter has worked on it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jupyter_qguard.cli import exits, output
from jupyter_qguard.cli.exits import UsageError, say
from jupyter_qguard.cli.files import STDIN, read_stdin
from jupyter_qguard.cli.names import harmless, shown
from jupyter_qguard.errors import InputError

if TYPE_CHECKING:
    from jupyter_qguard.render.core import Rendered


@click.command("export", short_help="Write a notebook in another format, without its secrets.")
@click.argument("notebook", metavar="NOTEBOOK", type=click.Path())
@click.option("--to", "to", required=True, metavar="FORMAT", help="html, pdf, script, notebook, markdown, …")
@click.option(
    "-o", "--output", "out", type=click.Path(), metavar="OUT", help="The file to write; - for stdout. Default: beside."
)
def command(notebook: str, to: str, out: str | None) -> int:
    """Write a notebook in another format, without its secrets.

    FORMAT is any exporter of nbconvert that is installed. NOTEBOOK is a file, or - for stdin (then to
    stdout unless -o says otherwise). Extracted pictures and attachments go into <OUT without suffix>_files/.
    Exits 0 when done, also where secrets were taken out (told on stderr); 1 when policy refuses; 2 when it
    could not be done.
    """
    from jupyter_qguard.render.failures import ExportRefused

    logging.disable(logging.CRITICAL)  # exporters log what they work on
    piped = notebook == STDIN
    source = None if piped else Path(notebook)
    label = "stdin" if piped else shown(notebook)
    try:
        data = read_stdin() if source is None else _read(source)
        target = Path(out) if out and out != STDIN else None
        if target is not None and not target.parent.is_dir():  # told before anything is rendered and recorded
            raise InputError(f"{shown(target.parent)} is no folder.", "Make it first, or name another OUT.")
        stem = target.stem if target else (source.stem if source else "notebook")
        made = _export(data, source, to, stem)
        if target is None and out is None and source is not None:
            target = source.with_suffix(str(made.resources.get("output_extension") or "." + to))
            if target == source:  # as nbconvert names it
                target = source.with_suffix(".nbconvert" + source.suffix)
        _write(made, target, source)
    except ExportRefused as error:
        say(f"qguard: {label}: {error.sentence()}")
        return exits.FOUND if error.status != 503 else exits.FAILED
    for message in made.messages:
        say(f"{label}: {message}")
    return exits.CLEAN


def _read(source: Path) -> bytes:
    try:
        return source.read_bytes()
    except ValueError:
        raise InputError("There is no such file.", "Check the name.") from None
    except OSError as error:
        raise InputError(f"{shown(source)}: {exits.os_reason(error)}.", "Check the name and its permissions.") from None


def _export(data: bytes, source: Path | None, to: str, stem: str) -> Rendered:
    """Return what the exporter made, judged. Raises QGuardError."""
    from jupyter_qguard.guard import Request
    from jupyter_qguard.render import core, exporters
    from jupyter_qguard.render.place import guard_for

    guard, path = guard_for(source)
    exporter = exporters.find(to)
    resources = {
        "metadata": {"name": source.stem if source else "notebook", "path": str(source.parent) if source else ""},
        "unique_key": stem,
        "output_files_dir": f"{stem}_files",
    }
    return core.export(guard, exporter, exporters.read(data), resources, Request("export", path), to=harmless(to))


def _write(made: Rendered, target: Path | None, source: Path | None) -> None:
    """Write the extracted files, then the output, each whole or not at all. Raises InputError."""
    content = made.output.encode("utf-8") if isinstance(made.output, str) else made.output
    files = {
        name: data.encode("utf-8") if isinstance(data, str) else bytes(data)
        for entry in ("outputs", "attachments")
        for name, data in (made.resources.get(entry) or {}).items()
    }
    if target is None:
        if files:
            say(f"qguard: {len(files)} extracted files are not part of stdout; use -o to have them written.")
        output.to_stdout(content)
        return
    if source is not None and target.exists() and target.samefile(source):
        raise UsageError("OUT is the notebook itself.", "`qguard redact --in-place` keeps what it cuts out of one.")
    if target.is_dir():  # before anything is written beside it
        raise InputError(f"{shown(target)} is a folder.", "Name a file to write.")
    folder = target.parent / f"{target.stem}_files"
    for name, data in files.items():
        # only the name counts: an exporter must not choose where else to write
        place = folder / Path(name.replace("\\", "/")).name
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise InputError(
                f"{shown(folder)} could not be made: {exits.os_reason(error)}.", "Name another OUT."
            ) from None
        output.write_atomically(place, data)
    output.write_atomically(target, content, like=source)
