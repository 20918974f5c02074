"""Other readings of a text that map back character by character.

What a person or a program sees is not always what is stored: terminals swallow escape sequences, browsers
tags and entities, parsers backslashes, URLs percent signs. Each view is built only where its gate says that
it could differ in a way that matters, so that an ordinary text costs a few substring searches.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator

from jupyter_qguard.scan.fragments import OffsetMap, Segment

View = tuple[str, str, OffsetMap, bool]
"""(kind, text, offsets back, whether entropy and keyword rules apply). A kind is one letter."""

_ANSI = r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]{0,4096}(?:\x07|\x1b\\)|[@-Z\\^_])|\x9b[0-?]*[ -/]*[@-~]"
_INVISIBLE = "\x00\xad\u200b\u200c\u200d\u2060\ufeff"
_UNSEEN = re.compile(f"(?:{_ANSI}|[{_INVISIBLE}])+")
_INNER_TAG = re.compile(r"<(?<=[\w+/=.-]<)[^<>]{1,4000}>(?:<[^<>]{1,4000}>)*(?=[\w+/=.&-])")
"""Tags between two characters of one word. Begins with a literal, which the regex engine searches fastest."""
_TAG = re.compile(r"<[^<>]{1,4000}>")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7};?|#[xX][0-9a-fA-F]{1,6};?|[A-Za-z][A-Za-z0-9]{1,30};)")
# This one and _PERCENT begin with a literal, which the regex engine searches for many times faster.
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[\"'/nrtbf\\])"
)
_ESCAPE_GATE = re.compile(r"\\u00[2-7]|\\x[2-7][0-9a-fA-F]|\\[\"'/]|\\[nrt](?=[A-Za-z0-9_+/-]{12})")
_SIMPLE = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_PERCENT_GATE = re.compile(r"%[2-7][0-9A-Fa-f]")
_PERCENT = re.compile(r"%[0-9A-Fa-f]{2}(?:%[0-9A-Fa-f]{2})*")


def differs(text: str, *, code: bool) -> bool:
    """Return whether any view of ``text`` differs from it in a way that matters."""
    return (
        _unseen(text)
        or ("\\" in text and _ESCAPE_GATE.search(text) is not None)
        or ("%" in text and _PERCENT_GATE.search(text) is not None)
        or (not code and "&" in text and _ENTITY.search(text) is not None)
        or (not code and "<" in text and _INNER_TAG.search(text) is not None)
    )


def views(text: str, *, code: bool) -> Iterator[View]:
    """Yield the readings of ``text`` that differ from it. ``code``: program text, where ``<`` is no tag."""
    if _unseen(text):
        yield from _built("u", text, _UNSEEN, None, True)
    if not code and "&" in text and _ENTITY.search(text):
        yield from _built("e", text, _ENTITY, html.unescape, True)
    if not code and "<" in text and _INNER_TAG.search(text) is not None:
        yield from _built("t", text, _TAG, None, False)
    if "\\" in text and _ESCAPE_GATE.search(text):
        yield from _built("s", text, _ESCAPE, _unescape, True)
    if "%" in text and _PERCENT_GATE.search(text):
        yield from _built("p", text, _PERCENT, _unquote, True)


def _unseen(text: str) -> bool:
    if "\x1b" in text or "\0" in text:
        return True
    # One substring search each: a character class would be looked up for every character of the text.
    return not text.isascii() and (
        "\u200b" in text
        or "\xad" in text
        or "\ufeff" in text
        or "\u200c" in text
        or "\u200d" in text
        or "\u2060" in text
        or "\x9b" in text
    )


def _built(
    kind: str, text: str, pattern: re.Pattern[str], decode: Callable[[str], str] | None, generic: bool
) -> Iterator[View]:
    if pattern is _UNSEEN and "\x1b" not in text and "\x9b" not in text:
        view = text
        for letter in _INVISIBLE:  # nbconvert's pages hold three; a character class would look at every character
            view = view.replace(letter, "")
    else:
        view = pattern.sub("" if decode is None else lambda match: decode(match.group()), text)
    if view and view != text:
        yield kind, view, OffsetMap(lambda: _segments(text, pattern, decode)), generic


def _segments(text: str, pattern: re.Pattern[str], decode: Callable[[str], str] | None) -> Iterator[Segment]:
    """Yield the pieces of a view: what was copied, and what each match became."""
    at = length = 0
    for match in pattern.finditer(text):
        start, end = match.span()
        new = 0 if decode is None else len(decode(match.group()))
        if start > at:
            yield length, start - at, at, start - at
            length += start - at
        if new:
            # One code point stands for the whole escape; a match that stays as it is maps one to one.
            yield length, new, start, end - start
            length += new
        at = end
    if at < len(text):
        yield length, len(text) - at, at, len(text) - at


def _unescape(piece: str) -> str:
    kind = piece[1]
    if kind == "u":
        first = int(piece[2:6], 16)
        if len(piece) == 12:
            return chr(0x10000 + ((first - 0xD800) << 10) + int(piece[8:12], 16) - 0xDC00)
        return chr(first)
    if kind == "x":
        return chr(int(piece[2:4], 16))
    return _SIMPLE.get(kind, kind)


def _unquote(piece: str) -> str:
    return bytes.fromhex(piece.replace("%", "")).decode("utf-8", "replace")
