"""A tiny engine, and secrets made at test time: nothing in this repository looks like a live one."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jupyter_qguard.scan.finding import Match, Rule, Span

PROVIDER = Rule("test-token", "Test token", "high", "provider", "a token made for tests")
URL = Rule("test-url-password", "URL password", "high", "context", "a password in a URL", True, True)
GENERIC = Rule("test-entropy", "Random text", "low", "generic", "looks random")
KEYWORD = Rule("test-password", "Password", "low", "generic", "stands beside a keyword", True)

_PATTERNS = (
    (PROVIDER, re.compile(r"\bQGT-([0-9a-f]{40})\b")),
    (PROVIDER, re.compile(r"(?<![A-Za-z0-9])(QG[A-Z2-7]{18})(?![A-Za-z0-9])")),
    (URL, re.compile(r"://[^\s/:@]+:([^\s/@\[]{8,60})@")),
    (GENERIC, re.compile(r"[\"']([A-Za-z0-9+/=]{60,})[\"']")),
    (KEYWORD, re.compile(r"password\"?\s*[:=]\s*[\"']([^\"'\[]{8,})[\"']")),
)
_WHOLE = (PROVIDER,)
_MARKER = re.compile(r"\[REDACTED:[a-z-]+:[0-9a-f]{8}\]|REDACTED-[a-z-]+-[0-9a-f]{8}")


@dataclass(frozen=True)
class FakeHit:
    index: int
    rule: Rule
    match: Match


class FakeEngine:
    """Finds a handful of made-up shapes; overlaps resolved, markers left alone, as the real one does."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def scan(self, texts: Sequence[str], *, generic: Sequence[bool] | None = None) -> list[FakeHit]:
        self.texts = list(texts)
        out: list[FakeHit] = []
        for index, text in enumerate(texts):
            taken = [m.span() for m in _MARKER.finditer(text)]
            for rule, pattern in _PATTERNS:
                if rule.tier == "generic" and generic is not None and not generic[index]:
                    continue
                for match in pattern.finditer(text):
                    start, end = match.span(0) if rule in _WHOLE else match.span(1)
                    if any(a < end and start < b for a, b in taken):
                        continue
                    taken.append((start, end))
                    out.append(FakeHit(index, rule, Match(Span(start, end), (Span(*match.span(1)),))))
        return out


def hex_token() -> str:
    """A fresh token with a fixed head and a core of 40 hex digits."""
    return "QGT-" + secrets.token_hex(20)


def key_token() -> str:
    """A fresh token of 20 capitals and digits."""
    return "QG" + "".join(secrets.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") for _ in range(18))


def password(length: int = 14) -> str:
    """A fresh URL-safe password."""
    return "".join(secrets.choice("abcdefghjkmnpqrstuvwxyz23456789") for _ in range(length))


def windows(core: str) -> Iterable[str]:
    """Every 8-character window of ``core``."""
    return (core[i : i + 8] for i in range(len(core) - 7))
