"""Inside ``jupyter nbconvert``: named by the installed ``jupyter_nbconvert_config.json``.

The file sets one trait, ``NbConvertApp.logging_config``, to :class:`CleanLog`, which guards the application as it
starts. Not ``Exporter.preprocessors``: in a virtual environment the installed file wins over the user's own, whose
list of preprocessors would be lost, and elsewhere theirs would replace ours. :class:`Guarded` is for those who need
their own ``logging_config``: either alone is enough. Who replaces the file (``--config``) exports unguarded.

Nothing of ours is imported at the top: where the package is broken, one sentence must still be possible.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from traitlets import Bool
from traitlets.config import Configurable

REFUSED, FAILED = 1, 2
"""Exit codes, those of ``qguard``."""


@dataclass(slots=True)
class _Job:
    """One notebook on its way through the application. ``file`` is None for stdin."""

    file: Path | None
    output: Any = None


_job: ContextVar[_Job | None] = ContextVar("qguard_job", default=None)
_inside: ContextVar[bool] = ContextVar("qguard_inside", default=False)


class Guarded(Configurable):
    """A preprocessor that does nothing to a notebook: when it is made, it guards the exporter that it is made for."""

    enabled = Bool(True)

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        with _or_leave():
            guard_app()
            if self.parent is not None:
                guard_exporter(self.parent)

    def __call__(self, notebook: Any, resources: Any) -> tuple[Any, Any]:
        """Return both as they are."""
        return notebook, resources


class CleanLog(logging.Filter):
    """Guards the application when its log is set up, and takes secrets out of what is logged."""

    def __init__(self, name: str = "") -> None:
        super().__init__(name)
        with _or_leave():
            guard_app()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return True always, the record changed in place where it quotes a secret."""
        text = record.getMessage()
        clean = without_secrets(text)
        if clean != text:
            record.msg, record.args = clean, ()
        if record.exc_info:
            quoted = logging.Formatter().formatException(record.exc_info) if isinstance(record.exc_info, tuple) else ""
            record.exc_text = without_secrets(quoted)
        return True


def guard_app() -> None:
    """Guard every export of nbconvert's application in this process, however its exporter is configured. Once."""
    from nbconvert.nbconvertapp import NbConvertApp

    original = NbConvertApp.export_single_notebook
    if getattr(original, "qguard", False):
        return

    @functools.wraps(original)
    def export_single_notebook(self: Any, notebook_filename: str, resources: Any, input_buffer: Any = None) -> Any:
        return _one(self, original, notebook_filename, resources, input_buffer)

    export_single_notebook.qguard = True  # type: ignore[attr-defined]
    NbConvertApp.export_single_notebook = export_single_notebook  # type: ignore[method-assign]


def guard_exporter(exporter: Any) -> None:
    """Put the guard around one exporter's ``from_notebook_node``. Once."""
    original = exporter.from_notebook_node
    if getattr(original, "qguard", False):
        return

    @functools.wraps(original)
    def from_notebook_node(nb: Any, resources: Any = None, **more: Any) -> Any:
        if _inside.get():  # called by the core, or by another exporter that the core called
            return original(nb, resources=resources, **more)
        return _export(exporter, nb, resources)

    from_notebook_node.qguard = True  # type: ignore[attr-defined]
    exporter.from_notebook_node = from_notebook_node


def without_secrets(text: str) -> str:
    """Return text without what any rule takes for a secret: a log line, what a failed cell printed."""
    try:
        from jupyter_qguard.scan.scanner import scan_text

        scan = scan_text(text, name="message.txt")
        return str(scan.redact(range(len(scan.findings))).content) if scan.findings else text
    except Exception:
        return "(a message that could not be checked for secrets)"


def _export(exporter: Any, notebook: Any, resources: Any) -> tuple[Any, Any]:
    """Export through the core. Raises QGuardError."""
    from jupyter_qguard.guard import Request
    from jupyter_qguard.render import core
    from jupyter_qguard.render.place import guard_for

    steps = getattr(exporter, "_preprocessors", None)
    if isinstance(steps, list):  # ours has done its work, and each step costs a validation of the whole notebook
        exporter._preprocessors = [step for step in steps if not isinstance(step, Guarded)]
    job = _job.get()
    guard, path = guard_for(job.file if job else _file_of(resources))
    entered = _inside.set(True)
    try:
        made = core.export(guard, exporter, notebook, resources, Request("export", path), to=_format(exporter))
    finally:
        _inside.reset(entered)
    if job:
        job.output = made.output
    for message in made.messages:
        _say(f"{_shown(path)}: {message}")
    return made.output, made.resources


def _one(app: Any, original: Callable[..., Any], filename: str, resources: Any, stream: Any) -> Any:
    """Export one notebook for the application, or leave with one sentence."""
    job = _Job(None if stream is not None else Path(filename))
    entered = _job.set(job)
    try:
        with _or_leave(job.file):
            guard_exporter(app.exporter)
            output, resources = original(app, filename, resources, input_buffer=stream)
            if output is not job.output:  # an exporter, or an application, with a way of its own
                output = _look_again(app.exporter, output, resources, job)
            if job.file is not None and _replaces(app, resources, job.file):
                _keep_what_is_replaced(job.file)
            return output, resources
    finally:
        _job.reset(entered)


def _look_again(exporter: Any, output: Any, resources: Any, job: _Job) -> Any:
    """Return an output that did not come through the core, judged. Raises QGuardError."""
    from jupyter_qguard.guard import Request
    from jupyter_qguard.render import core
    from jupyter_qguard.render.place import guard_for

    guard, path = guard_for(job.file)
    request = Request("export", path)
    parts = core.parts_of(output, resources, base=core.base_name(path), exporter=exporter, to=_format(exporter))
    judged = [core.admit(guard.check_rendered(part.content, part.name, request)) for part in parts]
    core.check_names(guard, resources, request)
    return core.put_back(parts, [judgement.content for judgement in judged], resources)


def _replaces(app: Any, resources: Any, file: Path) -> bool:
    """Return whether the application is about to write over the notebook itself (``--inplace``, ``--clear-output``)."""
    folder = getattr(app.writer, "build_directory", None)
    if folder is None:  # a writer that writes no files
        return False
    name = str(resources.get("unique_key", ""))
    if app.use_output_suffix and app.output_base == "{notebook_name}":
        name += str(resources.get("output_suffix", "") or "")
    target = Path(folder or file.parent) / (name + str(resources.get("output_extension", "") or ""))
    try:
        return target.samefile(file)
    except OSError:
        return False


def _keep_what_is_replaced(file: Path) -> None:
    """Keep what stands in a notebook's sources before its only copy is replaced by a redacted one."""
    from jupyter_qguard.errors import KeepError
    from jupyter_qguard.guard import Request
    from jupyter_qguard.render import core, exporters
    from jupyter_qguard.render.place import guard_for

    guard, path = guard_for(file)
    judgement = core.admit(
        guard.check_notebook(exporters.read(file.read_bytes()), Request("export", path, sole_copy=True))
    )
    if judgement.not_kept:
        raise KeepError(
            "Not exported: on a Hub no value can be kept, and this would replace the only copy.",
            "Write to another file (--output); nothing was changed.",
        )
    if judgement.kept:
        _say(f"{_shown(path)}: what was taken out of its cells is kept for you: `qguard kept list`.")


def _file_of(resources: Any) -> Path | None:
    """Return the notebook's path as nbconvert notes it, where nobody has told us."""
    about = resources.get("metadata") if isinstance(resources, dict) else None
    if not about or not about.get("name"):
        return None
    return Path(str(about.get("path") or "")) / f"{about['name']}.ipynb"


def _format(exporter: Any) -> str:
    return type(exporter).__name__.removesuffix("Exporter").lower() or "this format"


@contextlib.contextmanager
def _or_leave(file: Path | None = None) -> Iterator[None]:
    """Turn every failure inside the application into one sentence and an exit code."""
    try:
        from jupyter_qguard.errors import QGuardError
        from jupyter_qguard.render.failures import ExportRefused, failed
    except Exception as error:
        _leave(f"It cannot be loaded ({type(error).__name__}), so nothing was exported. Install it again.", FAILED)
    name = f"{_shown(os.fspath(file))}: " if file is not None else ""
    try:
        yield
    except QGuardError as error:
        quoted = _quotable(error.__cause__)
        if quoted:
            print(quoted, file=sys.stderr)
        _leave(name + error.sentence(), REFUSED if isinstance(error, ExportRefused) else FAILED)
    except OSError as error:
        _leave(f"{name}{error.strerror or 'it could not be read'}; nothing was exported.", FAILED)
    except Exception as error:  # its text may quote the notebook
        sentence = failed(error, "anything").sentence().replace(" to anything", "")
        _leave(name + sentence, FAILED)


def _quotable(error: BaseException | None) -> str:
    """Return the text of a failed cell without secrets: its author wants to see what failed. Nothing for others."""
    named = any(kind.__name__ == "CellExecutionError" for kind in type(error).__mro__)
    return without_secrets(str(error)) if named else ""


def _shown(path: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in path)


def _say(text: str) -> None:
    print(f"jupyter-qguard: {text}", file=sys.stderr)


def _leave(sentence: str, code: int) -> NoReturn:
    _say(sentence)
    raise SystemExit(code)
