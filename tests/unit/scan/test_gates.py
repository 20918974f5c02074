"""The gates let through every text that carries something, and hardly any other."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_qguard.scan import gates
from jupyter_qguard.scan.carriers import _RUN, _TABLE, SHORTEST
from jupyter_qguard.scan.engine_hyperscan import FirstFinder
from jupyter_qguard.scan.views import differs

_PIECES = [
    *(
        "a",
        "é",
        "\ud800",
        "K",
        " ",
        "\n",
        "<",
        ">",
        "<b>",
        "</td>",
        "&",
        "&#65;",
        "&#x41;",
        "&amp;",
        ";",
        "\\",
        "\\u0041",
    ),
    *("\\x41", '\\"', "\\n" + "k" * 12, "%41", "%", "\x1b[0m", "\x00", "\xad", "\x9b", "\u200b", "\u200c", "\u200d"),
    *("\u2060", "\ufeff", "a" * 23, "Zz09+/" * 4, "=", "-", "_", ".", "Ā", "😀"),
]
_TEXTS = st.lists(st.lists(st.sampled_from(_PIECES), max_size=8).map("".join), max_size=8)


def carries(text: str) -> bool:
    """What the gates stand in for: the exact question, asked of each text."""
    return _RUN in text.encode("ascii", "replace").translate(_TABLE) or differs(text, code=False)


@settings(max_examples=400, deadline=None)
@given(_TEXTS)
def test_no_text_that_carries_something_is_missed(texts: list[str]) -> None:
    found = set(gates.suspects(texts))
    assert {index for index, text in enumerate(texts) if carries(text)} <= found


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(), max_size=5))
def test_nor_in_any_text(texts: list[str]) -> None:
    assert {index for index, text in enumerate(texts) if carries(text)} <= set(gates.suspects(texts))


def test_ordinary_texts_are_not_suspected() -> None:
    plain = ["counts = execute(circuit, shots=1024)", "<th>1</th>\n<td>0.25</td>\n", "a < b > c", "100% & more", ""]
    assert not gates.suspects(plain)
    assert set(gates.suspects([*plain, "to<b>ken", *plain, "x" * 24, *plain])) == {len(plain), 2 * len(plain) + 1}


def test_the_run_is_as_long_as_what_is_decoded() -> None:
    assert re.fullmatch(gates.RUN, "a" * SHORTEST)
    assert not re.search(gates.RUN, "a" * (SHORTEST - 1))


def test_a_text_longer_than_a_batch() -> None:
    assert set(gates.suspects(["ab " * 2_000_000, "x y", "ab " * 2_000_000 + "%41"])) == {2}


def test_without_hyperscan_everything_passes(monkeypatch) -> None:
    monkeypatch.setenv("QGUARD_NO_HYPERSCAN", "1")
    monkeypatch.setattr(gates, "_gates", None)
    assert list(gates.suspects(["a", "b"])) == [0, 1]


def test_the_first_match_is_told_and_the_search_ends_there() -> None:
    finder = FirstFinder(("b[0-9]", "c"))
    assert finder.first(memoryview(b"a b1 c b2")) == 4
    assert finder.first(memoryview(b"nothing")) is None
