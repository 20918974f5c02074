"""What ``qguard doctor`` checks of the installation. Each check returns findings; none raises."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import platform
import secrets
import shutil
import stat
import string
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from jupyter_qguard import __version__
from jupyter_qguard.cli.names import harmless, shown
from jupyter_qguard.errors import QGuardError

State = Literal["ok", "note", "mend", "broken"]
"""ok · note: worth knowing, nothing to do · mend: works, but something should be done · broken: does not guard."""


@dataclass(frozen=True, slots=True)
class Found:
    """One result of one check. ``fix`` says what to do, where there is something to do."""

    state: State
    title: str
    text: str
    fix: str = ""


Check = Callable[[Mapping[str, str], Path], Iterator[Found]]


def run(check: Check, title: str, env: Mapping[str, str], root: Path) -> Iterator[Found]:
    """Run one check; if it fails in a way that nobody foresaw, that is a result too."""
    try:
        yield from check(env, root)
    except QGuardError as error:
        yield Found("broken", title, error.message, error.hint)
    except Exception as error:  # its text may quote content
        yield Found("broken", title, f"this check itself failed ({type(error).__name__}).", "Please report this line.")


def version(env: Mapping[str, str], _root: Path) -> Iterator[Found]:
    """Report what runs here."""
    text = f"jupyter-qguard {__version__}, Python {platform.python_version()} on {platform.system()}"
    yield Found("ok", "version", text)
    if shutil.which("qguard", path=env.get("PATH")) is None:
        yield Found(
            "note",
            "version",
            "`qguard` is not on the PATH, so git filters and hooks outside this environment cannot find it.",
            "Install it where your shell and git find it, for instance with pipx.",
        )


def engine(_env: Mapping[str, str], _root: Path) -> Iterator[Found]:
    """Scan and redact a value made up on the spot, and say which engine did it."""
    from jupyter_qguard.scan.scanner import scan_bytes

    value = "ghp_" + "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(36))
    notebook = {
        "cells": [{"cell_type": "code", "execution_count": None, "id": "a", "metadata": {}, "outputs": [],
                   "source": f"token = '{value}'"}],
        "metadata": {}, "nbformat": 4, "nbformat_minor": 5,
    }  # fmt: skip
    scan = scan_bytes(json.dumps(notebook).encode(), name="self-check.ipynb")
    redacted = scan.redact(range(len(scan.findings))).content if scan.findings else value.encode()
    if not isinstance(redacted, bytes) or value[4:].encode() in redacted:
        yield Found("broken", "engine", "a made-up secret was not found and cut out.", "Install the package again.")
        return
    try:
        importlib.import_module("hyperscan")
        yield Found("ok", "engine", "hyperscan; a made-up secret was found and cut out")
    except ImportError:
        yield Found(
            "note",
            "engine",
            "Python's own regular expressions; they find the same, many times slower.",
            "Install hyperscan where a wheel exists for this machine.",
        )


def policy(env: Mapping[str, str], root: Path) -> Iterator[Found]:
    """Load the policy and report its mode and problems."""
    from jupyter_qguard import paths, settings
    from jupyter_qguard.scan import rules

    pause = paths.data_dir(env) / settings.PAUSE_NAME
    policies = settings.load(None, root=root, env=env, known_rules=frozenset(rules.ALL), pause_file=pause)
    effective = policies.effective("any.ipynb")
    problems = policies.problems
    for problem in problems:
        yield Found(
            "broken", "policy", harmless(problem), "Correct that line; `qguard policy check` tells when it is right."
        )
    if effective.mode == "enforce":
        yield Found("ok", "policy", f"mode enforce, digest {effective.digest[:12]}")
    else:
        yield Found(
            "mend",
            "policy",
            f"mode {effective.mode}: nothing is redacted or refused.",
            'Set mode = "enforce" (or unset QGUARD_MODE) to guard.',
        )


def data_folder(env: Mapping[str, str], root: Path) -> Iterator[Found]:
    """Check who may read the data folder and that it lies outside the notebooks."""
    from jupyter_qguard import paths

    folder = paths.data_dir(env)
    if not folder.exists():
        yield Found("ok", "data folder", f"{shown(folder)}: not needed yet, made at the first use")
        return
    found = False
    for path in (folder, *sorted(folder.rglob("*"))):
        try:
            mode = path.lstat().st_mode
        except OSError:
            continue
        if os.name == "posix" and not stat.S_ISLNK(mode) and mode & 0o077:
            found = True
            yield Found(
                "mend", "data folder", f"others may get at {shown(path)}.", f"Run: chmod go-rwx '{shown(path)}'"
            )
    if root != folder and folder.resolve().is_relative_to(root.resolve()):
        found = True
        # A home folder that is served as it is has it in a hidden place that the guard does not serve.
        yield Found(
            "mend" if (root / ".git").exists() else "note",
            "data folder",
            f"{shown(folder)} lies inside this folder, where a commit or a client could take it along.",
            "Set QGUARD_DATA_DIR to a folder outside, or run elsewhere.",
        )
    if not found:
        yield Found("ok", "data folder", f"{shown(folder)}: private")


def kept_store(env: Mapping[str, str], _root: Path) -> Iterator[Found]:
    """Say where a value that is cut out would be kept."""
    from jupyter_qguard import guard, paths
    from jupyter_qguard.broker.kept import KeptStore

    if guard.on_hub(env):
        yield Found(
            "note", "kept values", "on a Hub nothing is kept: the editor keeps the text, the saved copy has none."
        )
        return
    store = KeptStore(paths.data_dir(env), env=env)
    reason = store.available()
    if reason:
        yield Found(
            "mend",
            "kept values",
            f"nothing can be kept ({reason}), so a save that would take a value out of a source is refused.",
            "Give the data folder write permission, or set QGUARD_DATA_DIR to one that has it.",
        )
    else:
        yield Found("ok", "kept values", " ".join(store.viability()))
    for problem in store.problems():
        yield Found("mend", "kept values", problem, "See `qguard kept list` for what is intact.")


def ledger(env: Mapping[str, str], root: Path) -> Iterator[Found]:
    """Check that decisions can be recorded, that the record can be read, and that it bears out its last signed head."""
    from jupyter_qguard import paths, settings
    from jupyter_qguard import record as records
    from jupyter_qguard.ledger.ledger import Ledger
    from jupyter_qguard.scan import rules

    try:
        record = records.opened(env, settings.load(None, root=root, env=env, known_rules=frozenset(rules.ALL)))
    except QGuardError:  # the check of the policy tells that
        record = Ledger(paths.data_dir(env), env=env)
    problem = record.problem()
    if problem:
        yield Found("broken", "record", problem, "Without a record saves are refused: make the data folder writable.")
        return
    damage = record.problems()
    for sentence in damage:
        yield Found("mend", "record", sentence, "Keep a copy of the data folder before anything else.")
    contradiction = record.heads.contradiction(record) if record.heads is not None else None
    if contradiction:
        yield Found("broken", "record", contradiction, "Run: qguard ledger verify")
    elif not damage:
        yield Found("ok", "record", "decisions can be recorded")
    for sentence in record.heads.told(record) if record.heads is not None else ():
        yield Found("mend", "record", sentence, "Mend that place, or the [ledger] table, then run: qguard ledger head")
    record.close()


def extension(_env: Mapping[str, str], _root: Path) -> Iterator[Found]:
    """Check that Jupyter's configuration turns the server extension on."""
    try:
        importlib.metadata.version("jupyter_server")
    except importlib.metadata.PackageNotFoundError:
        yield Found(
            "note", "server extension", "jupyter_server is not installed here; the command line works without it."
        )
        return
    enabled: bool | None = None
    decided: Path | None = None
    for folder in _config_folders():  # weakest first, as Jupyter reads them
        for file in (
            *sorted((folder / "jupyter_server_config.d").glob("*.json")),
            folder / "jupyter_server_config.json",
        ):
            setting = _extension_setting(file)
            if setting is not None:
                enabled, decided = setting, file
    if enabled:
        yield Found("ok", "server extension", f"enabled by {shown(decided or '')}")
    elif decided is not None:
        fix = "Run: jupyter server extension enable jupyter_qguard"
        yield Found("broken", "server extension", f"switched off by {shown(decided)}: servers run unguarded.", fix)
    else:
        fix = (
            "Install the package again (pip install jupyter-qguard), or: jupyter server extension enable jupyter_qguard"
        )
        yield Found("broken", "server extension", "no Jupyter configuration enables it: servers run unguarded.", fix)


def nbconvert(_env: Mapping[str, str], _root: Path) -> Iterator[Found]:
    """Check that `jupyter nbconvert` in a shell finds the configuration that guards it."""
    title, trait = "nbconvert", "logging_config"
    ours: Path | None = None
    others: Path | None = None
    for folder in _config_folders():  # weakest first
        for file in (folder / "jupyter_nbconvert_config.json", folder / "jupyter_nbconvert_config.py"):
            try:
                text = file.read_text("utf-8")
            except (OSError, ValueError):
                continue
            if "jupyter_qguard.render.shell" in text:
                ours, others = file, None
            elif ours is not None and trait in text:
                others = file
    if ours is None:
        fix = "Install the package again (pip install jupyter-qguard), or use `qguard export`."
        yield Found("mend", title, "no configuration guards `jupyter nbconvert` in a shell.", fix)
    elif others is not None:
        fix = 'Add "jupyter_qguard.render.shell.Guarded" to c.Exporter.preprocessors there.'
        yield Found("mend", title, f"{shown(others)} replaces the {trait} that guards it in a shell.", fix)
    else:
        yield Found("ok", title, f"guarded in a shell by {shown(ours)}")


def _config_folders() -> list[Path]:
    from jupyter_core import paths

    return [Path(folder) for folder in reversed(paths.jupyter_config_path())]


def _extension_setting(file: Path) -> bool | None:
    try:
        document: Any = json.loads(file.read_text("utf-8"))
        value = document["ServerApp"]["jpserver_extensions"]["jupyter_qguard"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return bool(value)
