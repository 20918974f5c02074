"""Patterns behave as in gitignore, and none of them costs more than its length."""

from __future__ import annotations

import random
import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_qguard.settings.glob import compile_glob


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("courses/**", ["courses/a", "courses/a/b.ipynb"], ["courses", "x/courses/a", "coursesx/a"]),
        ("courses/", ["courses/a", "x/courses/a/b"], ["courses", "mycourses/a"]),
        ("courses", ["courses", "courses/a", "x/courses/a"], ["courses2", "x/mycourses"]),
        ("/courses", ["courses/a", "courses"], ["x/courses"]),
        ("*.ipynb", ["a.ipynb", "x/y/b.ipynb"], ["a.ipynbx", "a.py"]),
        ("/*.ipynb", ["a.ipynb"], ["x/a.ipynb"]),
        ("a/*/c", ["a/b/c", "a/b/c/d"], ["a/c", "a/b/b/c", "x/a/b/c"]),
        ("a/**/c", ["a/c", "a/b/c", "a/b/b/c/d"], ["a", "a/b", "x/a/c"]),
        ("**/c", ["c", "a/b/c", "c/d"], ["a/b"]),
        ("**", ["a", "a/b"], [""]),
        ("**/", ["a/b"], ["a"]),
        ("a?.[ch]", ["ab.c", "x/ab.h"], ["a.c", "ab.d", "abc.c"]),
        ("[!a]x", ["bx"], ["ax"]),
        ("[*]", ["*"], ["a"]),
        ("./a/./b", ["a/b"], ["b"]),
        ("über/*", ["über/a"], ["uber/a"]),
        ("**/**/a/**/**", ["a/b", "x/a/b/c"], ["a", "x/a"]),
    ],
)
def test_what_a_pattern_matches(pattern: str, yes: list[str], no: list[str]) -> None:
    glob = compile_glob(pattern)
    assert [path for path in yes if not glob.matches(path)] == []
    assert [path for path in no if glob.matches(path)] == []


@pytest.mark.parametrize("pattern", ["", "  ", "/", "./", "!a", "a/../b", "..", "a\\b", "a\0", "a" * 1025])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"is empty|longer|'!'|'\.\.'|backslash|names no file"):
        compile_glob(pattern)


@pytest.mark.parametrize(("pattern", "path"), [("*a" * 500 + "b", "a" * 5000), ("**/a/" * 200 + "b", "a/" * 2000)])
def test_a_hostile_pattern_costs_no_more_than_an_honest_one(pattern: str, path: str) -> None:
    start = time.process_time()
    assert not compile_glob(pattern).matches(path)
    assert time.process_time() - start < 2


@given(st.text(max_size=40), st.text(alphabet=string.ascii_letters + "/.*[]!-", max_size=40))
def test_any_text_is_a_pattern_or_a_value_error(pattern: str, path: str) -> None:
    try:
        glob = compile_glob(pattern)
    except ValueError:
        return
    assert glob.matches(path) in (True, False)


@given(st.lists(st.text(alphabet="abc.", min_size=1, max_size=4), min_size=1, max_size=5))
def test_a_path_matches_itself_and_what_lies_beneath_a_match_matches(parts: list[str]) -> None:
    parts = [part for part in parts if part not in (".", "..")]
    if not parts:
        return
    glob = compile_glob("/" + "/".join(parts))
    assert glob.matches("/".join(parts))
    assert glob.matches("/".join([*parts, random.choice("xyz")]))
