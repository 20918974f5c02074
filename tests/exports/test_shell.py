"""``jupyter nbconvert`` in a shell, through nothing but the configuration that the wheel installs."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.exports.plants import clean, planted
from tests.exports.search import leaks
from tests.exports.tools import FORMATS, foreign_env, left_out, needs
from tests.server.harness import REPOSITORY, aws, code_cell, notebook, with_secret

CONFIG = REPOSITORY / "jupyter-config" / "nbconvert-config"
MINE = "jupyter_qguard_test_steps"


class Shell:
    """A folder with a project's notebooks, and a home of its own."""

    def __init__(self, base: Path) -> None:
        self.base, self.here = base, base / "work"
        for name in ("work", "home/config", "tmp"):
            (base / name).mkdir(parents=True)
        self.env = {
            **{name: os.environ[name] for name in ("LANG", "LD_LIBRARY_PATH") if name in os.environ},
            **foreign_env(),
            "HOME": str(base / "home"),
            "TMPDIR": str(base / "tmp"),
            "JUPYTER_CONFIG_DIR": str(base / "home" / "config"),
            "JUPYTER_CONFIG_PATH": str(CONFIG),
            "JUPYTER_DATA_DIR": str(base / "home" / "data"),
            "JUPYTER_RUNTIME_DIR": str(base / "home" / "runtime"),
            "IPYTHONDIR": str(base / "home" / "ipython"),
            "QGUARD_DATA_DIR": str(base / "home" / "qguard"),
            "QGUARD_CACHE_DIR": os.environ.get("QGUARD_TEST_CACHE", str(base / "cache")),
            "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
            "QGUARD_TEST_ELSEWHERE": str(base / "elsewhere"),
            # else nbconvert makes one of each exporter when it is imported, and one of ours cannot be made
            "NBCONVERT_DISABLE_CONFIG_EXPORTERS": "1",
        }

    def put(self, name: str, book: Any) -> Path:
        file = self.here / name
        file.write_text(book if isinstance(book, str) else json.dumps(book), encoding="utf-8")
        return file

    def run(self, *arguments: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "nbconvert", *arguments]
        return subprocess.run(command, cwd=self.here, env=self.env, input=stdin, capture_output=True, timeout=110)

    def config(self, text: str) -> None:
        """Set the user's own configuration."""
        (self.base / "home" / "config" / "jupyter_nbconvert_config.py").write_text(text)

    def leaked(self, values: dict[str, str], *but: Path) -> dict[str, list[str]]:
        """Return what holds a value of everything that was written, but for the kernel's history."""
        found = {}
        for file in self.base.rglob("*"):
            if file.is_file() and file not in but and "ipython" not in file.parts and file.name != "elsewhere":
                names = leaks(file.read_bytes(), values)
                if names:
                    found[str(file.relative_to(self.base))] = names
        return found


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def said(done: subprocess.CompletedProcess[bytes]) -> list[str]:
    """Return our own lines on stderr."""
    return [line for line in done.stderr.decode().splitlines() if line.startswith("jupyter-qguard: ")]


@pytest.mark.parametrize("to", FORMATS)
def test_row_40_no_format_carries_a_secret(shell: Shell, to: str) -> None:
    needs(to)
    book, values = planted(without=left_out(to))
    source = shell.put("a.ipynb", book)
    done = shell.run("--to", to, "a.ipynb")
    assert done.returncode == 0, done.stderr[-2000:]
    assert shell.leaked(values, source) == {}
    assert leaks(done.stdout + done.stderr, values) == []
    assert len(list(shell.here.iterdir())) > 1
    [line] = said(done)
    assert "Exported without" in line


def test_without_the_configuration_it_would(shell: Shell) -> None:
    book, values = planted()
    source = shell.put("a.ipynb", book)
    shell.env["JUPYTER_NO_CONFIG"] = "1"  # where the package is installed, its configuration is found without a path
    assert shell.run("--to", "markdown", "a.ipynb").returncode == 0
    assert "svg" in str(shell.leaked(values, source))


def test_a_clean_notebook_is_written_as_ever(shell: Shell) -> None:
    shell.put("a.ipynb", clean())
    made = {}
    for config in (str(CONFIG), ""):
        shell.env["JUPYTER_NO_CONFIG"] = "" if config else "1"
        for to in ("html", "markdown", "notebook", "script", "rst"):
            needs(to)
            done = shell.run("--to", to, "a.ipynb", "--output-dir", f"out{len(made) % 5}")
            assert done.returncode == 0, done.stderr
            assert said(done) == []
            folder = shell.here / f"out{len(made) % 5}"
            made[(to, config)] = {
                str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()
            }
            subprocess.run(["rm", "-r", str(folder)], check=True)
    for to in ("html", "markdown", "notebook", "script", "rst"):
        assert made[(to, str(CONFIG))] == made[(to, "")]


def test_stdout_and_stdin(shell: Shell) -> None:
    book, values = planted()
    done = shell.run("--to", "script", "--stdout", "--stdin", stdin=json.dumps(book).encode())
    assert done.returncode == 0, done.stderr
    assert b"REDACTED" in done.stdout
    assert leaks(done.stdout + done.stderr, values) == []


STEPS = f"""
import sys
from nbconvert.preprocessors import Preprocessor

class Mine(Preprocessor):
    def preprocess(self, nb, resources):
        print("mine ran", file=sys.stderr)
        return nb, resources

sys.modules[{MINE!r}] = sys.modules[__name__] = type(sys)({MINE!r})
sys.modules[{MINE!r}].Mine = Mine
"""


@pytest.mark.parametrize("wins", ["ours", "the user's"])
@pytest.mark.parametrize(
    "line",
    [
        f"c.Exporter.preprocessors = ['{MINE}.Mine']",
        f"c.HTMLExporter.preprocessors = ['{MINE}.Mine']",
        f"c.Exporter.preprocessors.append('{MINE}.Mine')",
        f"c.Application.logging_config = {{'version': 1}}\nc.Exporter.preprocessors = ['{MINE}.Mine']",
        "c.NbConvertApp.logging_config = {}\n"
        f"c.Exporter.preprocessors = ['jupyter_qguard.render.shell.Guarded', '{MINE}.Mine']",
    ],
)
def test_neither_side_loses_its_configuration(shell: Shell, line: str, wins: str) -> None:
    """Which file wins depends on the environment: in a virtual one the installed file does."""
    if wins == "ours":
        shell.config(STEPS + line)
    else:
        stronger = shell.base / "stronger"
        stronger.mkdir()
        (stronger / "jupyter_nbconvert_config.py").write_text(STEPS + line)
        shell.env["JUPYTER_CONFIG_PATH"] = os.pathsep.join([str(stronger), str(CONFIG)])
    book, values = planted()
    source = shell.put("a.ipynb", book)
    done = shell.run("--to", "html", "a.ipynb")
    assert done.returncode == 0, done.stderr[-2000:]
    assert b"mine ran" in done.stderr
    assert shell.leaked(values, source) == {}


def test_a_list_on_the_command_line_does_not_switch_it_off(shell: Shell) -> None:
    book, values = planted()
    source = shell.put("a.ipynb", book)
    done = shell.run("--to", "html", "a.ipynb", "--Exporter.preprocessors=[]")
    assert done.returncode == 0, done.stderr[-2000:]
    assert shell.leaked(values, source) == {}


@pytest.mark.parametrize("to", ["html", "script", "notebook", "markdown"])
def test_execute_runs_the_original_once_and_judges_what_it_prints(shell: Shell, to: str) -> None:
    value, early = aws(), aws()
    code = (
        f"key = 'AK' + 'IA{value[4:]}'\nprint(key)\nopen('ran', 'a').write('x')\n"
        f"from IPython.display import SVG, display\ndisplay(SVG('<svg><text>' + key + ' </text></svg>'))\n"
        f"assert len('{early}') == 20"
    )
    source = shell.put("a.ipynb", notebook(code_cell(code), kernelspec={"name": "python3", "display_name": "Python"}))
    done = shell.run("--to", to, "--execute", "a.ipynb")
    assert done.returncode == 0, done.stderr[-2000:]
    assert (shell.here / "ran").read_text() == "x"
    values = {"printed": value, "source": early}
    assert shell.leaked(values, source) == {}
    assert leaks(done.stdout + done.stderr, values) == []


def test_a_cell_that_fails_is_told_without_its_secrets(shell: Shell) -> None:
    value = aws()
    source = shell.put("a.ipynb", notebook(code_cell(f'key = "{value}"\nraise ValueError(key)')))
    old = shell.put("a.html", "old")
    done = shell.run("--to", "html", "--execute", "a.ipynb")
    assert done.returncode == 2
    assert b"ValueError" in done.stderr
    assert b"REDACTED" in done.stderr
    assert leaks(done.stdout + done.stderr, {"it": value}) == []
    assert len(said(done)) == 1
    assert old.read_text() == "old"
    assert shell.leaked({"it": value}, source) == {}


def test_in_place_keeps_what_it_takes_out(shell: Shell) -> None:
    value = aws()
    file = shell.put("a.ipynb", with_secret(value))
    done = shell.run("--to", "notebook", "--inplace", "a.ipynb")
    assert done.returncode == 0, done.stderr
    assert leaks(file.read_bytes(), {"it": value}) == []
    assert any("kept for you" in line for line in said(done))
    kept = subprocess.run(
        [sys.executable, "-m", "jupyter_qguard", "kept", "list", "--format", "json"],
        env=shell.env, cwd=shell.here, capture_output=True, check=True,
    )  # fmt: skip
    [entry] = json.loads(kept.stdout)
    shown = subprocess.run(
        [sys.executable, "-m", "jupyter_qguard", "kept", "reveal", entry["id"]],
        env=shell.env, cwd=shell.here, capture_output=True, check=True,
    )  # fmt: skip
    assert shown.stdout.decode().strip() == value


@pytest.mark.parametrize(
    "more", [["--clear-output"], ["--inplace", "--execute"], ["--to", "notebook", "--output", "a"]]
)
def test_every_way_to_replace_the_notebook_keeps(shell: Shell, more: list[str]) -> None:
    value = aws()
    file = shell.put("a.ipynb", with_secret(value))
    done = shell.run(*more, "a.ipynb")
    assert done.returncode == 0, done.stderr[-2000:]
    assert leaks(file.read_bytes(), {"it": value}) == []
    assert any("kept for you" in line for line in said(done))


def test_where_nothing_can_be_kept_the_only_copy_is_not_replaced(shell: Shell) -> None:
    value = aws()
    file = shell.put("a.ipynb", with_secret(value))
    before = file.read_bytes()
    shell.env["JUPYTERHUB_USER"] = "someone"
    done = shell.run("--to", "notebook", "--inplace", "a.ipynb")
    assert done.returncode == 2
    assert file.read_bytes() == before
    assert leaks(done.stderr, {"it": value}) == []
    assert shell.run("--to", "notebook", "--output", "b", "a.ipynb").returncode == 0


def test_a_refusal_is_one_sentence_and_leaves_the_old_file(shell: Shell) -> None:
    (shell.here / "qguard.toml").write_text('version = 1\n[doors]\nexport = { source = "block" }\n')
    value = aws()
    source = shell.put("a.ipynb", with_secret(value))
    old = shell.put("a.html", "old")
    done = shell.run("--to", "html", "a.ipynb")
    assert done.returncode == 1
    [line] = said(done)
    assert "Not exported: " in line
    assert b"Traceback" not in done.stderr
    assert old.read_text() == "old"
    assert shell.leaked({"it": value}, source) == {}


@pytest.mark.parametrize(
    ("to", "code"),
    [
        ("foreign_nothing", 2),
        ("foreign_raises", 2),
        ("foreign_exits", 2),
        ("foreign_trap", 2),
        ("foreign_packs", 1),
        ("foreign_names", 1),
    ],
)
def test_somebody_elses_exporter_that_cannot(shell: Shell, to: str, code: int) -> None:
    book, values = planted()
    values["elsewhere"] = aws()
    (shell.base / "elsewhere").write_text(values["elsewhere"])
    source = shell.put("a.ipynb", book)
    done = shell.run("--to", to, "a.ipynb")
    assert done.returncode == code, done.stderr[-2000:]
    assert len([line for line in said(done) if "Not exported" in line]) == 1
    assert b"Traceback" not in done.stderr
    assert leaks(done.stdout + done.stderr, values) == []
    assert shell.leaked(values, source) == {}
    assert not [file for file in shell.here.iterdir() if file != source]


@pytest.mark.parametrize("to", ["foreign_text", "foreign_bytes", "foreign_mutates", "foreign_writes", "foreign_bare"])
def test_somebody_elses_exporter_is_handed_a_clean_notebook(shell: Shell, to: str) -> None:
    book, values = planted()
    source = shell.put("a.ipynb", book)
    done = shell.run("--to", to, "a.ipynb")
    assert done.returncode == 0, done.stderr[-2000:]
    assert shell.leaked(values, source) == {}


def test_what_an_exporter_adds_is_cut_out(shell: Shell) -> None:
    value = aws()
    (shell.base / "elsewhere").write_text(value)
    shell.put("a.ipynb", clean())
    done = shell.run("--to", "foreign_fetches", "a.ipynb", "--output-dir", "out")
    assert done.returncode == 0, done.stderr[-2000:]
    assert shell.leaked({"it": value}) == {}


@pytest.mark.parametrize("text", ['key = "{value}" no json', '{{"cells": "{value}"', "[]", ""])
def test_what_is_no_notebook_is_quoted_nowhere(shell: Shell, text: str) -> None:
    value = aws()
    source = shell.put("a.ipynb", text.format(value=value))
    done = shell.run("--to", "html", "a.ipynb")
    assert done.returncode == 2
    assert len(said(done)) == 1
    assert leaks(done.stdout + done.stderr, {"it": value}) == []
    assert shell.leaked({"it": value}, source) == {}


def test_a_wrong_policy_stops_it(shell: Shell) -> None:
    (shell.here / "qguard.toml").write_text("version = 1\nmodus = 3\n")
    shell.put("a.ipynb", clean())
    done = shell.run("--to", "html", "a.ipynb")
    assert done.returncode == 2
    assert not (shell.here / "a.html").exists()


def test_observing_changes_nothing(shell: Shell) -> None:
    (shell.base / "home/config/qguard.toml").write_text('version = 1\nmode = "observe"\n')
    value = aws()
    shell.put("a.ipynb", with_secret(value))
    assert shell.run("--to", "script", "a.ipynb").returncode == 0
    assert value in next(shell.here.glob("a.txt")).read_text()


def test_a_package_that_cannot_be_loaded_fails_closed_with_a_sentence(shell: Shell) -> None:
    broken = shell.base / "broken"
    broken.mkdir()
    (broken / "hyperscan.py").write_text("raise ImportError('no')\n")
    (broken / "cryptography.py").write_text("raise RuntimeError('no')\n")
    (broken / "click.py").write_text("raise RuntimeError('no')\n")
    (broken / "nbformat_stub.py").write_text("")
    (broken / "sitecustomize.py").write_text("import sys; sys.modules['jupyter_qguard.errors'] = None\n")
    shell.env["PYTHONPATH"] = os.pathsep.join([str(broken), shell.env["PYTHONPATH"]])
    shell.put("a.ipynb", clean())
    done = shell.run("--to", "html", "a.ipynb")
    assert done.returncode == 2
    assert said(done)
    assert "Install it again" in said(done)[0]
    assert b"Traceback" not in done.stderr
    assert not (shell.here / "a.html").exists()


def test_several_notebooks_each_by_its_own_policy(shell: Shell) -> None:
    first, second = shell.here / "one", shell.here / "two"
    values = {"one": aws(), "two": aws()}
    for folder in (first, second):
        (folder / ".git").mkdir(parents=True)
        (folder / "a.ipynb").write_text(json.dumps(with_secret(values[folder.name])))
    (second / "qguard.toml").write_text('version = 1\n[doors]\nexport = { source = "block", output = "block" }\n')
    done = shell.run("--to", "html", "one/a.ipynb", "two/a.ipynb")
    assert done.returncode == 1
    assert (first / "a.html").exists()
    assert not (second / "a.html").exists()


def test_dejavu_is_guarded_too(shell: Shell) -> None:
    value = aws()
    code = f"print('AK' + 'IA{value[4:]}')"
    source = shell.put("a.ipynb", notebook(code_cell(code)))
    command = [sys.executable, "-c", "from nbconvert.nbconvertapp import dejavu_main; dejavu_main()", "a.ipynb"]
    done = subprocess.run(command, cwd=shell.here, env=shell.env, capture_output=True, timeout=110)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (shell.here / "a.html").exists()
    assert shell.leaked({"it": value}, source) == {}


def test_names_are_unusual(shell: Shell) -> None:
    name = f"a b{secrets.token_hex(2)} ü.ipynb"
    value = aws()
    source = shell.put(name, with_secret(value))
    done = shell.run("--to", "html", name)
    assert done.returncode == 0, done.stderr[-2000:]
    assert shell.leaked({"it": value}, source) == {}
