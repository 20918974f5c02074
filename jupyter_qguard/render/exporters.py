"""Exporters by name, and notebooks from bytes: where nbconvert and nbformat are asked, with clean errors."""

from __future__ import annotations

import re
from typing import Any

import nbformat

from jupyter_qguard.render.failures import ExportFailed, NoExporter, failed, plain

_NAME = re.compile(r"\w[\w.-]*")


def find(name: str, **arguments: Any) -> Any:
    """Return an instance of the exporter called ``name`` (or of the class with that dotted name).

    ``arguments`` go to its constructor. Raises NoExporter (unknown or switched off) and ExportFailed (it, or
    nbconvert itself, cannot be loaded).
    """
    try:
        from nbconvert.exporters.base import ExporterDisabledError, ExporterNameError, get_exporter
    except Exception as error:
        raise ExportFailed(
            f"nbconvert could not be loaded ({type(error).__name__}).", "Install it again: `pip install nbconvert`."
        ) from None
    if not _NAME.fullmatch(name):
        raise NoExporter("This is not the name of an export format.", hint())
    if "." not in name and name.lower() not in {"ipynb", *map(str.lower, names())}:
        # nbconvert would make one of each exporter to list them, and fail with the first that cannot be made
        raise NoExporter(f"There is no export format {plain(name)}.", hint())
    try:
        return get_exporter(name)(**arguments)  # type: ignore[no-untyped-call]
    except ExporterNameError:
        raise NoExporter(f"There is no export format {plain(name)}.", hint()) from None
    except ExporterDisabledError:
        raise NoExporter(f"The export format {plain(name)} is switched off here.", hint()) from None
    except (Exception, SystemExit) as error:
        raise failed(error, name) from error


def names() -> list[str]:
    """Return the names of the installed exporters; not whether each has the programs that it needs."""
    from importlib.metadata import entry_points

    return sorted({entry.name for entry in entry_points(group="nbconvert.exporters")})


def hint() -> str:
    """Return the sentence that lists the installed formats."""
    return f"Installed: {', '.join(names())}."


def read(data: bytes) -> Any:
    """Return the notebook in ``data`` as nbconvert reads it (nbformat 4). Raises ExportFailed."""
    try:
        return nbformat.reads(data.decode("utf-8-sig"), as_version=4)  # type: ignore[no-untyped-call]
    except Exception as error:  # its text quotes the file
        sentence = failed(error, "anything")
        raise ExportFailed(sentence.message.replace(" to anything", ""), sentence.hint) from None
