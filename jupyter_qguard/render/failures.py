"""Why an export did not happen, in one sentence that quotes nothing.

An exporter's exception quotes cells (a failed execution, a LaTeX log, a template error), so its text is looked at to
tell what kind of failure it is, and never passed on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from jupyter_qguard.errors import QGuardError
from jupyter_qguard.guard import Judgement

_NAME = re.compile(r"[^A-Za-z0-9_.-]")
_PANDOC = "Install pandoc (from your system's packages or conda-forge) and export again."
_LATEX = "Install a TeX distribution that brings xelatex, or export to webpdf or html instead."
_INKSCAPE = "Install Inkscape, or take the SVG outputs out of the notebook."
_PLAYWRIGHT = "Run `pip install nbconvert[webpdf]`, then `playwright install chromium`."
_QT = "Run `pip install nbconvert[qtpdf]`, or export to webpdf or html instead."

_TOOLS: tuple[tuple[str, str, str], ...] = (
    ("pandoc wasn't found", "pandoc is not installed", _PANDOC),
    ("xelatex not found", "xelatex is not installed", _LATEX),
    ("lualatex not found", "lualatex is not installed", _LATEX),
    ("pdflatex not found", "pdflatex is not installed", _LATEX),
    ("bibtex not found", "bibtex is not installed", _LATEX),
    ("inkscape executable not found", "Inkscape is not installed, and an SVG output needs it", _INKSCAPE),
    ("unable to find inkscape", "Inkscape is not installed, and an SVG output needs it", _INKSCAPE),
    ("inkscape svg to pdf conversion failed", "Inkscape could not convert an SVG output", _INKSCAPE),
    ("playwright is not installed", "Playwright is not installed", _PLAYWRIGHT),
    ("no suitable chromium", "no Chromium was found for Playwright", "Run `playwright install chromium`."),
    (
        "no template sub-directory",
        "its template was not found",
        "Name one that is there; `jupyter --paths` shows where they are.",
    ),
    ("pyqtwebengine is not installed", "PyQtWebEngine is not installed", _QT),
)
"""Beginnings of nbconvert's own fixed messages, in lower case; what they mean; what to do."""

_KINDS: tuple[tuple[str, str, str], ...] = (
    ("PandocMissing", "pandoc is not installed", _PANDOC),
    ("CellExecutionError", "a cell of the notebook failed when it was run", "Run it in Jupyter to see where."),
    ("CellTimeoutError", "a cell took too long to run", "Raise ExecutePreprocessor.timeout, or run it in Jupyter."),
    ("DeadKernelError", "the kernel died while the notebook was run", "Run it in Jupyter to see where."),
    ("NoSuchKernel", "the notebook's kernel is not installed", "`jupyter kernelspec list` shows those that are."),
    ("LatexFailed", "LaTeX could not make a PDF of it", "Export to latex and run xelatex by hand to see its log."),
    ("TemplateNotFound", "the template was not found", "Check its name; `jupyter --paths` shows where they are."),
    ("TemplateError", "the template failed", "Try another template."),
    ("ValidationError", "it is not a valid notebook", "Open and save it in Jupyter to repair it."),
    ("NotebookValidationError", "it is not a valid notebook", "Open and save it in Jupyter to repair it."),
    ("NotJSONError", "it is not valid notebook JSON", "Open it with a text editor to repair it."),
    ("UnicodeDecodeError", "it is not UTF-8 text", "Save it as UTF-8."),
    ("RecursionError", "it is nested too deeply", "Take that output out of the notebook."),
    ("MemoryError", "there was not enough memory", "Clear large outputs, then export again."),
)
"""Names of exception types anywhere in the chain, what they mean, what to do."""


class ExportRefused(QGuardError):
    """Policy or the guard says no. ``judgement`` says why, ``status`` as for HTTP (422, or 503 when it failed)."""

    code = "blocked"

    def __init__(self, judgement: Judgement) -> None:
        super().__init__(judgement.message, judgement.hint)
        self.judgement = judgement
        self.status = judgement.status
        self.code = judgement.code or "blocked"


class ExportFailed(QGuardError):
    """The exporter could not do it, or gave back something that nobody can judge."""

    code = "export-failed"


class NoExporter(QGuardError):
    """There is no exporter of that name, or it is switched off."""

    code = "no-exporter"


def failed(error: BaseException, name: str) -> ExportFailed:
    """Return what to say of an exporter's exception. ``name``: the format that was asked for."""
    name = plain(name)
    for cause in _chain(error):
        text = _text(cause)
        for start, what, advice in _TOOLS:
            if text.startswith(start):
                return ExportFailed(f"Not exported to {name}: {what}.", advice)
    for cause in _chain(error):
        kinds = {kind.__name__ for kind in type(cause).__mro__}
        for kind, what, advice in _KINDS:
            if kind in kinds:
                return ExportFailed(f"Not exported to {name}: {what}.", advice)
    kind = plain(type(error).__name__)
    return ExportFailed(
        f"Not exported to {name}: the exporter failed ({kind}; its text may quote the notebook and is not shown).",
        "Try another format, or look for what is unusual in this notebook.",
    )


def plain(name: str) -> str:
    """Return a name of a format or type as it may be shown: short, without anything that is not part of a name."""
    return _NAME.sub("?", name)[:60]


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen and len(seen) < 20:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _text(error: BaseException) -> str:
    try:
        return str(error)[:400].lower().strip()
    except Exception:  # somebody's own __str__
        return ""
