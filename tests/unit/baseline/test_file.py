"""The baseline as a file: what comes out says what went in, hand-made text survives, two people's lines merge."""

from __future__ import annotations

import random
import secrets
import subprocess
import tomllib
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_qguard.errors import InputError
from jupyter_qguard.settings.baseline_file import BaselineFile, Entry, parse_baseline
from jupyter_qguard.settings.baseline_text import line_for, new_baseline, with_entry, without

FILE = Path(".qguard-baseline.toml")
WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=40).filter(
    lambda text: bool(text.strip())
)


def entry(digest: str = "", **more: object) -> Entry:
    said = {"rule": "github-token", "reason": "made up", "owner": "ada", "expires": date(2027, 1, 1), **more}
    return Entry(digest=digest or secrets.token_hex(16), **said)  # type: ignore[arg-type]


def fresh() -> str:
    return new_baseline(secrets.token_hex(16))


def read(text: str) -> BaselineFile:
    parsed, problems = parse_baseline(text, FILE)
    assert parsed is not None, problems
    return parsed


def plain(found: BaselineFile) -> list[str]:
    return [line_for(one) for one in found.entries]


entries = st.builds(
    entry,
    digest=st.text("0123456789abcdef", min_size=32, max_size=32),
    reason=WORDS.map(str.strip),
    owner=WORDS.map(str.strip),
    expires=st.dates(date(2000, 1, 1), date(2999, 1, 1)),
    path=WORDS.map(str.strip),
    cell_id=WORDS.map(str.strip),
    field=WORDS.map(str.strip),
)


@given(st.lists(entries, max_size=8, unique_by=lambda one: one.digest), st.randoms())
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_read_and_the_order_of_writing_leaves_no_trace(
    many: list[Entry], dice: random.Random
) -> None:
    start = fresh()
    text = start
    for one in many:
        text = with_entry(text, one)
    assert plain(read(text)) == [line_for(one) for one in sorted(many, key=lambda one: one.digest)]
    dice.shuffle(many)
    other = start
    for one in many:
        other = with_entry(other, one)
    assert other == text
    for one in many:
        other = without(other, [one.digest])
    assert other == start


def test_one_exception_is_one_line_of_a_diff() -> None:
    before = with_entry(with_entry(fresh(), entry()), entry())
    after = with_entry(before, entry())
    assert len(set(after.split("\n")) - set(before.split("\n"))) == 1
    assert set(before.split("\n")) <= set(after.split("\n"))


def test_renewing_replaces_the_line() -> None:
    one = entry()
    text = with_entry(with_entry(fresh(), one), entry())
    renewed = with_entry(text, entry(one.digest, expires=date(2030, 5, 5), reason="still made up"))
    assert len(read(renewed).entries) == 2
    assert read(renewed).find("github-token", one.digest).expires == date(2030, 5, 5)  # type: ignore[union-attr]
    assert renewed.count("\n") == text.count("\n")


BY_HAND = """\
# our file, kept by hand
version = 1
salts = ["{salt}"]   # never change this

[accepted]   # sorted, please

# the lesson on leaks
{b} = {{ rule = "github-token", reason = "a # in it", owner = 'ada', expires = 2027-01-01 }}   # asked in #12

# written out, because of the long reason
[accepted.{d}]
rule = "github-token"
reason = "long"
owner = "bob"
expires = 2027-01-01T10:00:00Z
"""


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("digest", ["a" * 32, "c" * 32, "f" * 32])
def test_comments_and_layout_survive_the_change_of_another_entry(newline: str, digest: str) -> None:
    text = BY_HAND.format(salt="0123abcd-" * 3 + "4567cdef", b="b" * 32, d="d" * 32).replace("\n", newline)
    more = with_entry(text, entry(digest))
    assert {one.digest for one in read(more).entries} == {"b" * 32, "d" * 32, digest}
    assert set(text.split(newline)) <= set(more.split(newline))
    assert without(more, [digest]).rstrip() == text.rstrip()
    for gone in ("b" * 32, "d" * 32):
        less = without(more, [gone])
        assert {one.digest for one in read(less).entries} == {"b" * 32, "d" * 32, digest} - {gone}
        assert "# our file, kept by hand" in less


def test_a_text_that_cannot_be_changed_safely_is_left_alone() -> None:
    inline = 'version = 1\nsalts = ["0123abcd-0123abcd-0123abcd-0123abcd"]\naccepted = {}\n'
    with pytest.raises(InputError, match="cannot be changed safely"):
        with_entry(inline, entry())


GOOD = {
    "rule": '"github-token"',
    "reason": '"made up"',
    "owner": '"ada"',
    "expires": "2027-01-01",
}


def text_of(**values: str | None) -> str:
    said = {key: value for key, value in {**GOOD, **values}.items() if value is not None}
    inside = ", ".join(f"{key} = {value}" for key, value in said.items())
    return f"{fresh()}{'a' * 32} = {{ {inside} }}\n"


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        (text_of(reason=None), 10, "without reason"),
        (text_of(reason='""'), 10, "without reason"),
        (text_of(reason='" "'), 10, "without reason"),
        (text_of(owner='" "'), 10, "without owner"),
        (text_of(owner=None), 10, "without owner"),
        (text_of(expires=None), 10, "without expires"),
        (text_of(expires='"2027-01-01"'), 10, "without quotes"),
        (text_of(rule="7"), 10, "must be a string"),
        (text_of(rule='"No Rule"'), 10, "is not a rule id"),
        (text_of(owners='"ada"'), 10, "Did you mean owner"),
        (text_of(guessable="true"), 10, "without `only`"),
        (text_of(only='"../x"'), 10, "'..'"),
        (text_of(only='""'), 10, "names no path"),
        (text_of(only='" "', guessable="true"), 10, "names no path"),
        (text_of(reason='"two\\nlines"'), 10, "one line"),
        (fresh() + "abc = { }\n", 10, "no digest"),
        (fresh() + f"{'a' * 32} = 3\n", 10, "no table"),
        (fresh().replace("version = 1", "version = 2"), 1, "version"),
        (fresh().replace("version = 1\n", ""), 0, "version"),
        ("version = 1\nsalts = []\n", 2, "salts"),
        ('version = 1\nsalts = ["short"]\n', 2, "hexadecimal"),
        (fresh() + "<<<<<<< HEAD\n=======\n>>>>>>> other\n", 10, "unfinished merge"),
        (fresh() + "nonsense\n", 0, "not valid TOML (line 10"),
        (fresh() + line_for(entry("a" * 32)) + "\n" + line_for(entry("a" * 32)) + "\n", 0, "not valid TOML (line 11"),
        ("x" * 90_000, 0, "not valid TOML"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(text: str, line: int, what: str) -> None:
    parsed, problems = parse_baseline(text, FILE)
    assert parsed is None
    assert problems[0].line == line
    assert what in problems[0].sentence()
    assert problems[0].sentence().startswith(str(FILE))
    assert "made up" not in problems[0].sentence()


@given(st.text(max_size=300))
@settings(max_examples=150, deadline=None)
def test_no_text_makes_the_reader_raise(text: str) -> None:
    parsed, problems = parse_baseline(text, FILE)
    assert parsed is not None or problems


def test_an_unknown_rule_waits_and_breaks_nothing() -> None:
    parsed, problems = parse_baseline(text_of(rule='"future-token"'), FILE, known_rules=["github-token"])
    assert parsed is not None
    assert [problem.level for problem in problems] == ["warning"]


def merged(tmp_path: Path, base: str | None, ours: str, theirs: str, *, union: bool) -> tuple[int, str]:
    """Let the real git merge two branches."""

    def git(*arguments: str, check: bool = True) -> int:
        name = ("-c", "user.name=T", "-c", "user.email=t@example.invalid")
        return subprocess.run(["git", *name, *arguments], cwd=tmp_path, check=check, capture_output=True).returncode

    git("init", "-q", "-b", "main")
    (tmp_path / "other").write_text("x")
    if union:
        (tmp_path / ".gitattributes").write_text(".qguard-baseline.toml merge=union\n")
    file = tmp_path / FILE
    if base is not None:
        file.write_text(base)
    git("add", "-A")
    git("commit", "-qm", "base")
    git("checkout", "-qb", "theirs")
    file.write_text(theirs)
    git("add", "-A")
    git("commit", "-qm", "theirs")
    git("checkout", "-q", "main")
    file.write_text(ours)
    git("add", "-A")
    git("commit", "-qm", "ours")
    return git("merge", "-q", "theirs", "-m", "both", check=False), file.read_text()


@pytest.mark.parametrize("before", [0, 1, 4])
def test_two_branches_that_add_entries_merge(tmp_path: Path, before: int) -> None:
    base = fresh()
    for _ in range(before):
        base = with_entry(base, entry())
    mine, yours = entry(path="a.ipynb"), entry(path="b.ipynb")
    code, text = merged(tmp_path, base, with_entry(base, mine), with_entry(base, yours), union=True)
    assert code == 0
    assert {mine.digest, yours.digest} < {one.digest for one in read(text).entries} | {""}
    assert len(read(text).entries) == before + 2


def test_two_baselines_started_apart_merge_with_both_salts(tmp_path: Path) -> None:
    mine, yours = entry(), entry()
    code, text = merged(tmp_path, None, with_entry(fresh(), mine), with_entry(fresh(), yours), union=True)
    assert code == 0
    assert len(read(text).salts) == 2
    assert {one.digest for one in read(text).entries} == {mine.digest, yours.digest}


def test_lines_that_are_apart_merge_without_any_help(tmp_path: Path) -> None:
    base = fresh()
    for digit in "258b":
        base = with_entry(base, entry(digit * 32))
    code, text = merged(
        tmp_path, base, with_entry(base, entry("3" * 32)), with_entry(base, entry("c" * 32)), union=False
    )
    assert code == 0
    assert len(read(text).entries) == 6


def test_the_digest_for_caches_speaks_of_what_counts_now() -> None:
    one, over = entry(), entry(expires=date(2026, 1, 1))
    now = datetime(2026, 6, 1, tzinfo=UTC)
    start = fresh()
    alone = read(with_entry(start, one))
    assert alone.digest(now) == read(with_entry(with_entry(start, one), over)).digest(now)
    assert alone.digest(now) != alone.digest(datetime(2027, 1, 1, tzinfo=UTC))


def test_it_is_toml_for_anybody() -> None:
    one = entry(reason='quotes " and \\ and \x7f-free', path="a b/ünï.ipynb")
    table = tomllib.loads(with_entry(fresh(), one))["accepted"][one.digest]
    assert table["expires"] == date(2027, 1, 1)
    assert table["path"] == "a b/ünï.ipynb"


def test_whatever_decides_whether_an_entry_counts_is_in_the_digest() -> None:
    one = entry(only="/a.env")
    now = datetime(2026, 6, 1, tzinfo=UTC)
    base = BaselineFile("", Path("b"), "", ("0f" * 16,), (one,))
    changes = ({"owner": "eve@lab.example"}, {"guessable": True}, {"only": "/b.env"}, {"expires": date(2031, 1, 1)})
    digests = {replace(base, entries=(replace(one, **change),)).digest(now) for change in ({}, *changes)}  # type: ignore[arg-type]
    assert len(digests) == 1 + len(changes)
    assert replace(base, entries=(replace(one, reason="said better", path="c.ipynb"),)).digest(now) == base.digest(now)
