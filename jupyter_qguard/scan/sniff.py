"""Is this a notebook, and in which language?"""

from __future__ import annotations

from typing import Any

from jupyter_qguard.scan.splice import parse


def why_not(nb: Any) -> str | None:
    """Return why a parsed value is no notebook, in one sentence that quotes nothing; None if it is one."""
    if not isinstance(nb, dict):
        return "This .ipynb is JSON, but not a notebook: it is no object."
    if not isinstance(nb.get("nbformat"), int):
        return "This .ipynb is JSON, but not a notebook: it has no format number."
    if not isinstance(nb.get("cells"), (list, tuple)) and not isinstance(nb.get("worksheets"), (list, tuple)):
        return "This .ipynb is JSON, but not a notebook: it has no list of cells."
    return None


def read_notebook(text: str, name: str) -> tuple[Any, str | None]:
    """Return (notebook, None), or (None, problem); no problem if nothing claims to be a notebook."""
    claimed = name.lower().endswith(".ipynb")
    if not claimed and not (
        text[:64].lstrip("\ufeff \t\r\n").startswith("{")
        and '"nbformat"' in text
        and ('"cells"' in text or '"worksheets"' in text)
    ):
        return None, None
    try:
        nb = parse(text.removeprefix("\ufeff"))
    except RecursionError:
        problem: str | None = "This .ipynb is nested too deeply to be read as a notebook."
    except ValueError:
        problem = "This .ipynb is not valid JSON." if text.strip("\ufeff \t\r\n") else "This .ipynb is empty."
    else:
        problem = why_not(nb)
        if problem is None:
            return nb, None
    return None, problem if claimed else None


def is_python(nb: Any) -> bool:
    """Return whether code cells hold Python, which they do unless the notebook's metadata say otherwise."""
    metadata = nb.get("metadata") if isinstance(nb, dict) else None
    if not isinstance(metadata, dict):
        return True
    for section, field in (("kernelspec", "language"), ("language_info", "name")):
        part = metadata.get(section)
        language = part.get(field) if isinstance(part, dict) else None
        if isinstance(language, str) and language:
            return language.lower() in ("python", "ipython", "python3")
    return True
