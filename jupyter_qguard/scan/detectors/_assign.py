"""How a name and its value stand together: assignments, calls, mappings, shells, ini files, headers.

``token = "v"`` · ``token: str = "v"`` · ``"token": "v"`` · ``environ["T"] = "v"`` · ``getenv("T", "v")`` · ``T=v`` ·
``%env T v`` · JSON escaped once more · HTML escaped. Everything is bounded, so that matching stays linear.
"""

from __future__ import annotations

import re

from ..detector import Accept
from ..placeholders import entropy, is_placeholder, looks_random, mixed

QUOTE = r"""(?:\\{0,3}["'`]|&quot;|&#34;|&#39;)"""
_OPEN = rf"""(?:\(\s{{0,12}})?(?:[bBrRuUfF]{{1,2}}(?=["']))?(?:{QUOTE}{{1,3}})?"""
ASSIGN = (
    rf"""(?:{QUOTE}?\s{{0,4}}[\])]?\s{{0,8}}(?:=>|:=|={{1,3}}|[:,])|:\s{{0,3}}[\w\[\]|. ]{{1,30}}="""
    rf"""|</[a-z]{{1,6}}>\s{{0,9}}[:=]?\s{{0,3}}<[a-z]{{1,6}}[^<>]{{0,80}}>)\s{{0,12}}{_OPEN}"""
)
"""Between a name and its value, by a sign."""
LOOSE = rf"""(?:{ASSIGN}|\s{{1,8}}{QUOTE}?)"""
"""The same, or white space alone: only for values whose shape says enough."""
QUOTED_RUN = r"[\"'`][A-Za-z0-9+/\\_=-]{23,}[\"'`]"
"""One anchor for everything that is a quoted run of 23 or more: patterns that begin with a class are dear."""
CREDENTIAL_NAME = r"(?:token|api[_-]?key|secret|passw(?:or)?d|access[_-]?key|connection[_-]?string|credential)"
VALUE = r"""[^\s"'`<>(){}\[\],;&|\\]{8,400}"""
"""A value of unknown shape."""


def strong(match: re.Match[str]) -> bool:
    """Accept a value of unknown shape: no placeholder, 8 or more characters, a digit or much entropy."""
    return strong_value(match["span"])


_PLACE = re.compile(
    r"://|\A[~./\\]|\A[\w.+-]+@[\w-]+\.|\.(?:json|txt|ini|toml|ya?ml|cfg|conf|py|ipynb|csv|pem|env|org|com|net|io|eu|ch|de)\Z"
)
"""Addresses, paths and file names stand where credentials do, too."""
_NO_SECRET = re.compile(
    r"(?i)(?:next|client|page|continuation|consistency|idempotency|pad|sync|csrf|xsrf|pagination)[_-]?\Z"
)


def names_no_secret(text: str, start: int) -> bool:
    """Say whether the name that goes on at ``start`` begins like ``nextToken`` or ``client_token``."""
    return _NO_SECRET.search(text, max(0, start - 16), start) is not None


def strong_value(value: str, minimum: int = 8) -> bool:
    """Say whether ``value``, standing where a credential belongs, may be one."""
    if len(value) < minimum or is_placeholder(value) or _PLACE.search(value) is not None:
        return False
    return entropy(value) >= 2.5 and (any(c.isdigit() for c in value) or entropy(value) > 3.5)


def mixed_random(match: re.Match[str]) -> bool:
    """Accept upper, lower and digit together, without runs or counting."""
    return mixed(match["span"]) and looks_random(match["span"])


def both(first: Accept, second: Accept) -> Accept:
    """Accept what both accept."""
    return lambda match: first(match) and second(match)
