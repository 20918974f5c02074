"""Which formats this machine can make, and where the tests find what those need."""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
from pathlib import Path

import pytest
from nbconvert.exporters.base import get_export_names

from tests.server.harness import REPOSITORY

HERE = Path(__file__).parent
FORMATS = tuple(name for name in get_export_names() if name != "custom")
"""Every installed format. ``custom`` is the bare template exporter: without a template of one's own it cannot work."""


@functools.cache
def path() -> str:
    """Return a PATH on which pandoc is, where the test extra brought it."""
    found = [os.environ.get("PATH", "")]
    if importlib.util.find_spec("pypandoc") is not None:
        import pypandoc

        found.insert(0, str(Path(pypandoc.__file__).parent / "files"))
    return os.pathsep.join(found)


def needs(to: str) -> None:
    """Skip, with the reason, where this machine lacks what a format needs."""
    if to in ("latex", "rst", "asciidoc", "pdf") and not shutil.which("pandoc", path=path()):
        pytest.skip(f"{to} needs pandoc, which is not installed here")
    if to == "pdf" and not shutil.which("xelatex", path=path()):
        pytest.skip("pdf needs xelatex, which is not installed here")
    if to in ("qtpdf", "qtpng") and importlib.util.find_spec("PyQt5.QtWebEngineWidgets" if _qt() else "PyQt5") is None:
        pytest.skip(f"{to} needs PyQtWebEngine, which is not installed here")
    if to == "webpdf" and importlib.util.find_spec("playwright") is None:
        pytest.skip("webpdf needs Playwright, which is not installed here")


def left_out(to: str) -> tuple[str, ...]:
    """Return what a notebook must not hold for this format to work on this machine."""
    needs_inkscape = to in ("latex", "pdf")
    return ("svg",) if needs_inkscape and not shutil.which("inkscape", path=path()) else ()


def _qt() -> bool:
    return importlib.util.find_spec("PyQt5") is not None


def foreign_env() -> dict[str, str]:
    """Return the environment of a process that finds the exporters of ``foreign/``, and pandoc."""
    places = [HERE / "foreign", REPOSITORY / "tests/server", REPOSITORY]
    return {"PYTHONPATH": os.pathsep.join(map(str, places)), "PATH": path()}
