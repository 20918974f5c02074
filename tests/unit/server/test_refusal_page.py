"""The page that a person sees whose browser opened a refused download or export."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import pytest

from jupyter_qguard.server.refusal import Refusal, not_judged
from jupyter_qguard.server.refusal_page import answer_refusal, page

BLOCKED = Refusal(
    422,
    "Not exported: 1 secret found (cell 1, line 1: dwave-token).",
    hint="Take it out of the text, or run `qguard policy explain` to see which rule decided.",
    code="blocked",
)


class Read(HTMLParser):
    """Collects the tags of a page and the text in each heading, paragraph and piece of code."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.texts: dict[str, list[str]] = {"title": [], "h1": [], "h2": [], "p": [], "code": []}
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]
        if tag in self.texts:
            self._open.append(tag)
            self.texts[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            self._open.remove(tag)

    def handle_data(self, data: str) -> None:
        for tag in self._open:
            self.texts[tag][-1] += data


def test_it_says_what_happened_and_what_to_do_next() -> None:
    read = Read(page(BLOCKED)).texts
    assert read["title"] == read["h1"] == ["Not exported"]
    assert read["h2"] == ["What to do next"]
    assert read["p"][0] == "1 secret found (cell 1, line 1: dwave-token)."
    assert read["p"][1].startswith("Take it out of the text, or run qguard policy explain to see")
    assert read["code"] == ["qguard policy explain"]


def test_it_needs_nothing_but_itself() -> None:
    text = page(BLOCKED)
    read = Read(text)
    assert not {"script", "link", "img", "iframe", "object", "form", "base"} & set(read.tags)
    assert not {"src", "href", "style", "onload", "onclick"} & set(read.attributes)
    assert not re.search(r"url\(|@import|https?:", text)


@pytest.mark.parametrize("where", ["message", "hint"])
def test_nothing_in_a_message_becomes_markup(where: str) -> None:
    hostile = "Not <script>alert(1)</script>: `<img src=x>` {{ 7*7 }} 100%"
    error = Refusal(422, hostile) if where == "message" else Refusal(422, "Not sent: no.", hint=hostile)
    read = Read(page(error))
    assert not {"script", "img"} & set(read.tags)
    assert read.texts["code"] == ["<img src=x>"]
    assert any("{{ 7*7 }} 100%" in text for text in read.texts["p"])


@pytest.mark.parametrize(
    ("error", "head"),
    [
        (not_judged(), "Not possible right now"),
        (Refusal(404, "There is no exporter of that name."), "Not found"),
        (Refusal(400, "Unreadable Notebook: this file is not valid notebook JSON."), "Not possible"),
        (Refusal(422, "Not exported to a: pandoc is not installed."), "Not exported to a"),
    ],
)
def test_every_refusal_has_a_heading_and_loses_no_word(error: Refusal, head: str) -> None:
    read = Read(page(error)).texts
    assert read["h1"] == [head]
    assert error.message.lower() in (read["p"][0].lower(), f"{head}: {read['p'][0]}".lower())
    assert len(read["h2"]) == (1 if error.hint else 0)


@pytest.mark.parametrize(
    ("method", "accept", "kind"),
    [
        ("GET", "text/html,*/*;q=0.8", "text/html; charset=UTF-8"),
        ("GET", "*/*", "application/json"),
        ("GET", "", "application/json"),
        ("POST", "text/html", "application/json"),
        ("HEAD", "text/html", "application/json"),
    ],
)
def test_a_page_is_for_a_browser_json_for_everybody_else(method: str, accept: str, kind: str) -> None:
    sent: dict[str, str] = {}
    handler = SimpleNamespace(
        request=SimpleNamespace(method=method, headers={"Accept": accept}),
        set_header=sent.__setitem__,
        finish=lambda body: sent.__setitem__("body", body),
    )
    answer_refusal(handler, BLOCKED)
    assert sent["Content-Type"] == kind
    assert sent["Cache-Control"] == "no-store"
    if kind == "application/json":
        body = json.loads(sent["body"])
        assert (body["code"], body["hint"]) == ("blocked", BLOCKED.hint)
    else:
        assert sent["body"] == page(BLOCKED)
