"""Writes the demo folder: a notebook with worthless credentials made up at this moment, and a policy.

Usage: python make_demo.py FOLDER. A notebook that is already there is left alone.
"""

from __future__ import annotations

import json
import secrets
import shutil
import string
import sys
from pathlib import Path

HERE = Path(__file__).parent
UPPER = string.ascii_uppercase + "234567"


def dwave_token() -> str:
    """Return something shaped like a D-Wave Leap token that opens nothing."""
    return "DEV-" + secrets.token_hex(20)


def aws_pair() -> tuple[str, str]:
    """Return something shaped like an AWS key id and its secret that opens nothing."""
    key = "AKIA" + "".join(secrets.choice(UPPER) for _ in range(16))
    secret = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(40))
    return key, secret


def lines(text: str) -> list[str]:
    """Return text as nbformat keeps it: a list of lines."""
    return text.splitlines(keepends=True)


def notebook() -> dict[str, object]:
    """Return the demo notebook (nbformat 4.5)."""
    token = dwave_token()
    key, secret = aws_pair()
    cells: list[dict[str, object]] = [
        {
            "id": "welcome",
            "cell_type": "markdown",
            "metadata": {},
            "source": lines(
                "# What the guard does\n\n"
                "The cells below hold credentials that somebody forgot. They were made up when this file was "
                "written and open nothing.\n\n"
                "1. **Save** this notebook (Ctrl+S). A notice names the cells and the rules; *Why* tells the rest.\n"
                "2. Look at the file: **File > Reload Notebook from Disk**. The credentials are gone, "
                "the markers are there.\n"
                "3. In a terminal (**File > New > Terminal**): `qguard kept list`, then `qguard kept reveal` and "
                "the id in a marker.\n"
            ),
        },
        {
            "id": "dwave",
            "cell_type": "code",
            "execution_count": 1,
            "metadata": {},
            "outputs": [
                {"name": "stdout", "output_type": "stream", "text": lines(f"using token {token}\n")},
            ],
            "source": lines(f'token = "{token}"\nprint("using token", token)'),
        },
        {
            "id": "aws",
            "cell_type": "code",
            "execution_count": None,
            "metadata": {},
            "outputs": [],
            "source": lines(f'aws_access_key_id = "{key}"\naws_secret_access_key = "{secret}"'),
        },
        {
            "id": "clean",
            "cell_type": "code",
            "execution_count": None,
            "metadata": {},
            "outputs": [],
            "source": lines("sum(n * n for n in range(10))"),
        },
    ]
    return {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def main(folder: Path) -> None:
    """Write notebook and policy into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "demo.ipynb"
    if not target.exists():
        target.write_text(json.dumps(notebook(), indent=1) + "\n", encoding="utf-8")
    # JupyterLab's question about its news would lie over the notice that the demo is about.
    settings = folder / ".lab-settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text('{"fetchNews": "false"}\n', encoding="utf-8")
    policy = folder / "qguard.toml"
    if not policy.exists():
        shutil.copyfile(HERE / "qguard.toml", policy)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
