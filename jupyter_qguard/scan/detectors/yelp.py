"""The plug-ins of detect-secrets 1.5, one rule each, yielding whole secrets. The only file that imports detect_secrets.

The plug-ins' own regexes and checks decide what is found, line by line; nothing goes through detect-secrets'
process-wide settings, and nothing is ever verified over the network. What differs, on purpose:

* the span is the whole token (``secret_value`` is a regex group: ``ghp`` for GitHub, the header for a key block);
* stand-ins are skipped (``placeholders.py``), and a rule's ``keep`` may ask for a more random value;
* a random string named as a hash, digest, checksum or id is skipped by the entropy rules (``unless``);
* inline ``pragma: allowlist`` comments are not honoured: whoever leaks could write one;
* lines over 16,384 characters (2,048 for keywords) are judged around candidates only, so that time stays linear.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from ..detector import Samples, compiled, windows
from ..finding import Match, Rule, Span

Pairs = Iterator[tuple[str, int, int]]
"""(the plug-in's own secret value, start and end of what we hide) within one line."""

LONG_LINE = 16_384
_SPACES = r"(?: *)(?:=|:|:=|=>| +|::)(?: *)"
_SPACES_LINEAR = r"(?: *(?:=|:|:=|=>|::) *| +)"
"""The same language, without trying every way to share out a run of blanks."""


_WORD = re.compile(r"[^\s\"'`\\<>,;]+")


@cache
def plugin(name: str) -> Any:
    """Return an instance of the plug-in ``module.Class``, made with its defaults."""
    module, _, cls = name.partition(".")
    return getattr(import_module(f"detect_secrets.plugins.{module}"), cls)()


@cache
def regexes(name: str) -> tuple[re.Pattern[str], ...]:
    """Return a plug-in's regexes; those with a run of blanks matched in cubic time are put linearly."""
    return tuple(
        re.compile(regex.pattern.replace(_SPACES, _SPACES_LINEAR), regex.flags) for regex in plugin(name).denylist
    )


def groups(match: re.Match[str]) -> list[str]:
    """Return what ``findall`` would make the plug-in report for this match."""
    if not match.re.groups:
        return [match[0]]
    return [match[1]] if match.re.groups == 1 else [group for group in match.groups() if group]


def by_regex(name: str, line: str, only: int | None = None) -> Pairs:
    """Every match of the plug-in's regexes (or of the ``only`` one): its group where it has one, else all of it."""
    for number, regex in enumerate(regexes(name)):
        if only is not None and number != only:
            continue
        for match in regex.finditer(line):
            for value in groups(match):
                yield value, *match.span(match.re.groups)


def first_regex(name: str, line: str) -> Pairs:
    """As ``by_regex``, the first regex only."""
    return by_regex(name, line, 0)


def second_regex(name: str, line: str) -> Pairs:
    """As ``by_regex``, the second regex only."""
    return by_regex(name, line, 1)


def by_whole(name: str, line: str) -> Pairs:
    """Every match, all of it: for regexes whose group is only a part of the token."""
    for regex in regexes(name):
        for match in regex.finditer(line):
            for value in groups(match):
                yield value, *match.span()


def by_delimited(name: str, line: str) -> Pairs:
    """As ``by_regex`` for patterns that consume the delimiters around the token."""
    for value, start, end in by_regex(name, line):
        token = value.strip(' \t\r\n\f\v\x1c\x1d\x1e\x1f\x85\xa0=:"')
        at = line.find(token, start, end) if token else start
        yield value, at, at + len(token or value)


def by_first_of_run(head: str) -> Callable[[str, str], Pairs]:
    """For patterns that would start again at every ``head`` of one run: only the first can matter."""
    run = re.compile(head)

    def find(name: str, line: str) -> Pairs:
        for regex in regexes(name):
            at = 0
            while (begin := run.search(line, at)) is not None:
                match = regex.match(line, begin.start())
                at = match.end() if match else begin.end()
                if match and (name != "jwt.JwtTokenDetector" or plugin(name).is_formally_valid(match[0])):
                    start, end = match.span(1) if match.re.groups else match.span()
                    word = _WORD.match(line, start, end)  # npm's group runs to the end of the line
                    for value in groups(match):
                        yield value, start, word.end() if word else end

    return find


def by_keyword(_name: str, line: str) -> Pairs:
    """The first match of each keyword regex, the quoted value of it."""
    table = import_module("detect_secrets.plugins.keyword").QUOTES_REQUIRED_DENYLIST_REGEX_TO_GROUP
    for regex, group in table.items():
        match = regex.search(line)
        if match:
            yield match[group], *match.span(group)


_QUOTED = {
    "high_entropy_strings.Base64HighEntropyString": (re.compile(r"""(['"])([a-zA-Z0-9+/\\\-_=]+)(\1)"""), 4.5),
    "high_entropy_strings.HexHighEntropyString": (re.compile(r"""(['"])([0-9a-fA-F]+)(\1)"""), 3.0),
}
"""What the plug-ins look at and their limits, told here too: most content has nothing over the limit, and importing
detect-secrets takes as long as scanning ten megabytes. A test holds these against the plug-ins."""


def by_entropy(name: str, line: str) -> Pairs:
    """Quoted strings of the plug-in's alphabet whose entropy is over its limit."""
    regex, limit = _QUOTED[name]
    for match in regex.finditer(line):
        value = match[2]
        # Cheap first: as many different characters as the limit needs at least; then what no plug-in goes beyond.
        if len(set(value)) <= 2**limit or _entropy(value) <= limit - 1e-6:
            continue
        judge = plugin(name)
        if judge.calculate_shannon_entropy(value) > judge.entropy_limit:
            yield value, *match.span(2)


def _entropy(value: str) -> float:
    """Return the Shannon entropy in bits per character."""
    return -sum(n / len(value) * math.log2(n / len(value)) for n in Counter(value).values())


_HASHED = r"(?i)hash|digest|sha-?\d|checksum|md5"
DIGEST_NAME = (
    r"(?i)(?:hash\w*|digest|sha-?\d{0,3}|checksum|md5|commit\w*|revision|rev|[a-z_]*id|uuid|etag|nonce|qpy|next_?token"
    r"|authorship_tag|provenance|integrity)[\"']?\]?\s{0,4}(?:[:=]{1,2}|[,(])\s{0,4}[br]?[\"']\Z"
)
"""A name before a quoted value that says it is a digest or an id."""


_WHOLE_RUNS, _PART = 8, 512


@dataclass(frozen=True, slots=True)
class PluginDetector:
    """One plug-in behind our interface."""

    rule: Rule
    anchors: tuple[str, ...]
    name: str
    find: Callable[[str, str], Pairs]
    keep: Callable[[str], bool]
    extend: str
    samples: Samples
    longest: int = LONG_LINE
    unless: str = ""

    def matches(self, text: str) -> Iterator[Match]:
        """Yield what the plug-in finds on each line of ``text``."""
        return self.near(text, [line.end() for line in re.finditer(r"[^\r\n]+", text)])

    def near(self, text: str, ends: Sequence[int]) -> Iterator[Match]:
        """Yield what the plug-in finds on the lines that hold ``ends``."""
        run = run_end = tried = 0
        for start, stop in self._lines(text, ends):
            for _, first, last in self.find(self.name, text[start:stop]):
                first, last = start + first, start + last
                judged = last
                if self.extend:
                    # Many beginnings in one run reach to its end, all of them: that is looked for once, and after
                    # a few of them the first part of the others must do, else this takes quadratic time.
                    if not tried or not run <= last <= run_end:
                        more = _extension(self.extend).match(text, last)
                        run, run_end, tried = last, more.end() if more else last, 0
                    tried += 1
                    judged = run_end if tried <= _WHOLE_RUNS else min(run_end, last + _PART)
                    last = run_end
                if last > first and self.keep(text[first:judged]) and not self._excused(text, first, last):
                    span = Span(first, last)
                    yield Match(span, (span,))

    def _excused(self, text: str, first: int, last: int) -> bool:
        """Say whether the name before, or the comment after, tells that this is no secret."""
        if not self.unless:
            return False
        before = text[max(0, first - 60) : first].rpartition("\n")[2]
        after = text[last + 1 : last + 40].partition("\n")[0].partition("#")[2]
        return compiled(self.unless).search(before) is not None or compiled(_HASHED).search(after) is not None

    def _lines(self, text: str, ends: Sequence[int]) -> Iterator[tuple[int, int]]:
        breaks = ("\n", "\r") if "\r" in text else ("\n",)
        done = 0
        lines: dict[tuple[int, int], list[int]] = {}
        for end in ends:
            at = max(end - 1, 0)
            if lines and at < done:
                lines[next(reversed(lines))].append(end)
                continue
            start = max([done, *(text.rfind(mark, done, at) + 1 for mark in breaks)])
            stop = min(found if found >= 0 else len(text) for found in (text.find(mark, at) for mark in breaks))
            done = stop
            if stop > start:
                lines[start, stop] = [end]
        for (start, stop), inside in lines.items():
            if stop - start <= self.longest:
                yield start, stop
                continue
            reach = (self.longest // 8, self.longest // 4)
            for low, high in windows([end - start for end in inside], *reach, stop - start):
                for cut in range(low, high, self.longest):
                    yield start + cut, start + min(high, cut + self.longest + 512)


@cache
def _extension(charset: str) -> re.Pattern[str]:
    return re.compile(f"[{charset}]*")


def public_address(value: str) -> bool:
    """Accept addresses that anybody could reach."""
    try:
        return ipaddress.ip_address(value.partition(":")[0]).is_global
    except ValueError:
        return False
