"""Every key is known or it is an error that says where it stands and what was meant."""

from __future__ import annotations

import random
import string
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jupyter_qguard import settings
from jupyter_qguard.settings import toml_lines
from jupyter_qguard.settings.policy_file import DEFAULTS, Problem
from jupyter_qguard.settings.words import CONTENT, DOORS, Role
from tests.unit.policy.policy_world import RULES, World


def check(tmp_path: Path, text: str, role: Role | None = None) -> list[Problem]:
    path = tmp_path / "qguard.toml"
    path.write_text(text, encoding="utf-8")
    return settings.check_file(path, known_rules=RULES, role=role, now=datetime(2026, 6, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "line", "key", "said"),
    [
        ("version = 2\n", 1, "version", "is not a version that this release reads."),
        ("version = true\n", 1, "version", "is not a version"),
        ('verson = 1\n[content]\nsource = "warn"', 1, "verson", "unknown key. Did you mean version?"),
        ('text = "warn"\n', 1, "text", "Put it under [content]"),
        ('[content]\n\nsorce = "redact"\n', 3, "content.sorce", "unknown content class. Did you mean source?"),
        ('[content]\nsource = "redacted"\n', 2, "content.source", 'Did you mean "redact"?'),
        ('[content]\ntext = "redact"\n', 2, "content.text", "must be allow, warn or block."),
        ('[content]\nopaque = "hold"\n', 2, "content.opaque", "must be allow, warn or block."),
        ("[content]\nsource = 3\n", 2, "content.source", "must be one of allow, warn, redact, hold, block."),
        ("content = 3\n", 1, "content", "must be a table."),
        ('[doors]\nsaev = { text = "block" }\n', 2, "doors.saev", "unknown door. Did you mean save?"),
        ('[doors]\nsave = "block"\n', 2, "doors.save", 'Write it as { text = "block" }.'),
        ('[doors.save]\ntexts = "block"\n', 2, "doors.save.texts", "Did you mean text?"),
        ('[rules]\nibm-cloud-apikey = "block"\n', 2, "rules.ibm-cloud-apikey", "Did you mean ibm-cloud-api-key?"),
        ('[rules]\nquite-other = "block"\n', 2, "rules.quite-other", "`qguard rules list` shows every rule."),
        ('[rules]\n"json-web-token" = "never"\n', 2, "rules.json-web-token", "must be one of"),
        ('mode = "off"\n', 1, "mode", "does not count in a project file. Move it to qguard.toml in your Jupyter"),
        ('on_failure = "warn"\n', 1, "on_failure", "does not count in a project file."),
        ('[ledger]\nhead_file = "/mnt/audit"\n', 1, "ledger", "does not count in a project file."),
        ('[paths]\nmatch = "a"\n', 1, "paths", "Write [[paths]] above each entry."),
        ('[[paths]]\ntext = "block"\n', 1, "paths[0].match", "is missing or no string."),
        ('[[paths]]\nmatch = "!a"\ntext = "block"\n', 2, "paths[0].match", "starts with '!'"),
        ('[[paths]]\nmatch = "../a"\ntext = "block"\n', 2, "paths[0].match", "holds '..'"),
        ('[[paths]]\nmatch = "a"\n', 1, "paths[0]", "sets nothing."),
        ('[[paths]]\nmatch = "a"\nreson = "x"\ntext="block"\n', 3, "paths[0].reson", "Did you mean reason?"),
        ('[[paths]]\nmatch = "a"\ntext = "block"\nreason = 3\n', 4, "paths[0].reason", "must be a string."),
        ('[[paths]]\nmatch="a"\ntext="block"\nexpires="2027-01-01"\n', 4, "paths[0].expires", "a date without quotes"),
        ('[[paths]]\nmatch="a"\ntext="block"\n[[paths]]\nmatch="b"\n\ntext="allow"\n', 7, "paths[1].text", "weakens"),
        ('[[paths]]\nmatch="a"\nsource="warn"\nowner="x"\n', 3, "paths[0].source", "which needs reason."),
        ('[[paths]]\nmatch="a"\ntext="warn"\n', 3, "paths[0].text", "which needs reason and owner."),
        ('[[paths]]\nmatch="a"\nreason=" "\nowner="x"\ntext="warn"\n', 5, "paths[0].text", "which needs reason."),
        (
            '[[paths]]\nmatch="a"\n[paths.rules]\njson-web-token="allow"\n',
            4,
            "paths[0].rules.json-web-token",
            "weakens the default",
        ),
        ('[[paths]]\nmatch="a"\ndoors={save={source="warn"}}\n', 3, "paths[0].doors.save.source", "weakens"),
    ],
)
def test_an_error_names_file_line_key_and_what_to_do(tmp_path: Path, text: str, line: int, key: str, said: str) -> None:
    problem = next(one for one in check(tmp_path, text) if one.level == "error")
    assert (problem.line, problem.key) == (line, key)
    assert said in problem.sentence()
    assert problem.sentence().startswith(f"{tmp_path / 'qguard.toml'}:{line}: ")


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    found = check(tmp_path, 'a = 1\n[content]\nb = 2\nsource = "x"\n[doors]\nc = 3\n[rules]\nd = 4\n')
    assert [one.key for one in found] == ["a", "content.b", "content.source", "doors.c", "rules.d"]


def test_a_file_full_of_mistakes_is_told_in_moderation(tmp_path: Path) -> None:
    start = time.process_time()
    found = check(tmp_path, "[rules]\n" + "".join(f'r{number} = "block"\n' for number in range(50_000)))
    assert len(found) == 50
    assert time.process_time() - start < 10


def test_pyproject_keys_are_named_in_full(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text('[project]\nname = "x"\n[tool.qguard]\nversion = 1\n[tool.qguard.rules]\njtw = "warn"\n')
    (problem,) = settings.check_file(path, known_rules=RULES)
    assert (problem.line, problem.key) == (6, "tool.qguard.rules.jtw")
    path.write_text('[project]\nname = "x"\n')
    assert settings.check_file(path)[0].message == "The file has no [tool.qguard] table."
    path.write_text("tool = {qguard = 3}\n")
    assert settings.check_file(path)[0].message == "must be a table."


def test_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    assert settings.check_file(tmp_path / "qguard.toml")[0].message == "The file does not exist."


def test_where_a_file_stands_says_what_it_may_hold(tmp_path: Path) -> None:
    path = tmp_path / "qguard.toml"
    path.write_text('mode = "observe"\n')
    assert settings.check_file(path, env={"JUPYTER_CONFIG_DIR": str(tmp_path)}) == []
    assert settings.check_file(path, env={"QGUARD_ADMIN_POLICY": str(path)}) == []
    assert settings.check_file(path, role="user") == []
    assert settings.check_file(path)[0].key == "mode"


def test_warnings_do_not_stop_a_file(tmp_path: Path) -> None:
    reasoned = 'reason = "r"\nowner = "o"\n'
    text = f'[[paths]]\nmatch="a"\ntext="allow"\n{reasoned}[[paths]]\nmatch="b"\ntext="allow"\n{reasoned}expires='
    lasting, ended = check(tmp_path, text + "2026-06-01\n")
    assert (lasting.level, lasting.line, lasting.message) == ("warning", 1, "never runs out.")
    assert (ended.level, ended.line, ended.message) == ("warning", 6, "ran out and weakens nothing.")
    assert len(check(tmp_path, text + "2026-06-02\n")) == 1
    assert len(check(tmp_path, text + "2026-06-01T00:00:00+02:00\n")) == 2
    assert len(check(tmp_path, text + "2026-06-01T00:00:01\n")) == 1
    (useless,) = check(tmp_path, '[content]\noutput = "warn"\n')
    assert (useless.level, useless.key) == ("warning", "content.output")
    assert "lowers nothing" in useless.message
    assert check(tmp_path, '[content]\noutput = "warn"\n', "user") == []


def test_no_problem_quotes_what_might_be_a_secret(tmp_path: Path) -> None:
    secret = "".join(random.choices(string.ascii_letters + string.digits, k=36))
    for text in (
        f'"{secret}" = 1\n',
        f"{secret} = 1\n",
        f'mode = "{secret}"\n',
        f'[content]\nsource = "{secret}"\n',
        f'[rules]\n{secret} = "block"\n',
        f"[rules]\n{secret} = {secret}\n",
        f'[[paths]]\nmatch = "../{secret}"\n',
        f'[[paths]]\nmatch = "a"\ntext = "allow"\nreason = "{secret}"\n',
        f"{secret}",
    ):
        found = check(tmp_path, text, "user")
        assert found
        for problem in found:
            assert secret not in problem.sentence()
            assert secret not in repr(problem)


def test_the_starter_policy_says_what_the_defaults_say(world: World) -> None:
    bare = world.load()
    path = world.write("root", settings.starter_policy())
    assert settings.check_file(path, known_rules=RULES) == []
    written = world.load()
    assert written.problems == written.notices == ()
    for name in ("a.ipynb", "a.py", "courses/a.ipynb"):
        before = [(door, content, v.action) for door, content, v in bare.effective(name).table()]
        assert [(door, content, v.action) for door, content, v in written.effective(name).table()] == before
    project = written.effective("a.ipynb").stack.project
    assert project is not None
    assert project.values == DEFAULTS.values


def test_the_commented_parts_of_the_starter_policy_work_when_uncommented(tmp_path: Path) -> None:
    lines = settings.starter_policy().split("\n")
    start = next(index for index, line in enumerate(lines) if line.startswith("[rules]"))
    opened = [line.removeprefix("# ") if index > start else line for index, line in enumerate(lines)]
    assert check(tmp_path, "\n".join(opened)) == []


def test_lines_are_found_in_every_way_to_write_a_key() -> None:
    text = (
        'a = 1\nb.c = 2\n[x]\n"y" = """\n[no]\nz = 3\n"""\nw = { u = 1 }\n[[l]]\nk = 1\n[l.m]\nn = 1\n[[l]]\nk = 2\n'
        "['q'.r]\ns = 1\n"
    )
    lines = toml_lines.key_lines(text)
    assert lines == {
        ("a",): 1, ("b",): 2, ("b", "c"): 2, ("x",): 3, ("x", "y"): 4, ("x", "w"): 8, ("l", 0): 9, ("l", 0, "k"): 10,
        ("l", 0, "m"): 11, ("l", 0, "m", "n"): 12, ("l", 1): 13, ("l", 1, "k"): 14, ("q", "r"): 15, ("q", "r", "s"): 16,
    }  # fmt: skip
    assert toml_lines.line_of(lines, ("x", "w", "u")) == 8
    assert toml_lines.line_of(lines, ("nowhere",)) == 0


def test_words_agree_with_the_scan_room() -> None:
    from typing import get_args

    from jupyter_qguard.policy import model
    from jupyter_qguard.scan.finding import Content

    assert get_args(Content) == CONTENT
    assert get_args(model.Door) == DOORS


@pytest.mark.parametrize(
    ("text", "line", "key", "said"),
    [
        ('[ledger]\nhead_fil = "/mnt/audit"\n', 2, "ledger.head_fil", "unknown key. Did you mean head_file?"),
        ('[ledger]\nhead_file = "mnt/audit"\n', 2, "ledger.head_file", "must be an absolute path."),
        ("[ledger]\nhead_git = 3\n", 2, "ledger.head_git", "must be a string."),
        ('[ledger]\nhead_url = "audit.example"\n', 2, "ledger.head_url", "must be an http or https address."),
        ('[ledger]\nhead_url = "file:///etc/passwd"\n', 2, "ledger.head_url", "must be an http or https address."),
        ('[ledger]\nhead_url = "http://a:99999/"\n', 2, "ledger.head_url", "must be an http or https address."),
        ('[ledger]\nhead_url = "http://a/b c"\n', 2, "ledger.head_url", "must be an http or https address."),
        ('[ledger]\nhead_url = "http://a/?k=v"\n', 2, "ledger.head_url", "A policy file is no place for a credential."),
        ('[ledger]\nhead_url = "http://u@a/"\n', 2, "ledger.head_url", "A policy file is no place for a credential."),
        ("ledger = 3\n", 1, "ledger", "must be a table."),
    ],
)
def test_where_heads_are_kept_is_looked_at(tmp_path: Path, text: str, line: int, key: str, said: str) -> None:
    (problem,) = check(tmp_path, text, "user")
    assert (problem.line, problem.key) == (line, key)
    assert said in f"{problem.message} {problem.hint}"
