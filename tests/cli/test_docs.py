"""docs/cli.md names every command and option, and nothing that does not exist; help costs next to nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from jupyter_qguard.cli.main import COMMANDS, group

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "cli.md").read_text("utf-8")


def commands(command: click.Command = group, name: str = "qguard") -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        with click.Context(command) as context:
            for child in command.list_commands(context):
                found = command.get_command(context, child)
                assert found is not None
                yield from commands(found, f"{name} {child}")


HEAVY = {
    "asyncio",
    "cryptography",
    "detect_secrets",
    "jupyter_server",
    "keyring",
    "nbconvert",
    "nbformat",
    "rich",
    "sqlite3",
}
ALL = dict(commands())


def section(name: str) -> str:
    """Return the part of the page that is about one command of the first level, or the page for ``qguard`` itself."""
    top = " ".join(name.split()[:2])
    parts = [part for part in re.split(r"^## ", PAGE, flags=re.MULTILINE) if part.startswith(f"`{top}")]
    return parts[0] if parts and top != "qguard" else PAGE


@pytest.mark.parametrize("name", ALL)
def test_the_page_names_every_command_and_option(name: str) -> None:
    assert f"`{name}" in PAGE
    for parameter in ALL[name].params:
        if isinstance(parameter, click.Option):
            for option in parameter.opts:
                assert re.search(rf"(?<![\w-]){option}(?![\w-])", section(name)), f"{name} {option}"


def test_the_page_names_nothing_that_does_not_exist() -> None:
    named = set(re.findall(r"`(qguard(?: [a-z]+)+)", PAGE))
    assert named <= set(ALL)
    options = {option for command in ALL.values() for parameter in command.params for option in parameter.opts}
    assert set(re.findall(r"(?<![\w-])(--[a-z][a-z-]*)", PAGE)) <= options | {"--help"}


@pytest.mark.parametrize("name", ALL)
def test_help_ends_sentences_and_fits(name: str) -> None:
    with click.Context(ALL[name], info_name=name) as context:
        text = ALL[name].get_help(context)
    assert text.startswith("Usage: ")
    for parameter in ALL[name].params:
        if isinstance(parameter, click.Option):
            assert parameter.help


def test_the_list_of_commands_says_what_each_says_of_itself() -> None:
    for name, line in COMMANDS.items():
        assert ALL[f"qguard {name}"].short_help == line


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_help_imports_nothing_heavy(argument: str) -> None:
    code = (
        "import sys\nfrom jupyter_qguard.cli.main import main\n"
        f"try:\n main([{argument!r}])\nexcept SystemExit as leave:\n assert leave.code == 0\n"
        "ours = sorted(m for m in sys.modules if m.startswith('jupyter_qguard.'))\n"
        "print('MODULES', *ours)\n"
        "print('HEAVY', *sorted({m.split('.')[0] for m in sys.modules} & "
        f"{HEAVY | {'hyperscan'}}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "HEAVY"
    modules = set(done.stdout.splitlines()[-2].split()[1:])
    assert modules <= {
        "jupyter_qguard.cli",
        "jupyter_qguard.cli.main",
        "jupyter_qguard.cli.exits",
        "jupyter_qguard.errors",
    }


def test_a_scan_of_a_clean_notebook_imports_nothing_heavy(tmp_path: Path, env: dict[str, str]) -> None:
    (tmp_path / "a.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    code = (
        "import sys\nfrom jupyter_qguard.cli.main import main\n"
        "try:\n main(['scan', 'a.ipynb'])\nexcept SystemExit as leave:\n assert leave.code == 0\n"
        "print(*sorted({m.split('.')[0] for m in sys.modules} & "
        f"{HEAVY}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=env, check=True
    )
    assert done.stdout == "1 file: nothing found\n\n"
