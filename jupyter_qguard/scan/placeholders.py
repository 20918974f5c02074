"""Tells a stand-in from a secret. Judges the value only, never the comment beside it.

Two strengths: :func:`looks_random` for shapes that prove themselves (``ghp_…``), where words do not
matter, and :func:`is_placeholder` for values whose place alone makes them suspicious (``token="…"``).
"""

from __future__ import annotations

import math
import re
from collections import Counter

_RUN = re.compile(r"(.)\1{7}", re.S)
_SEQUENCES = ("0123456789", "1234567890", "9876543210", "abcdefghij", "abcdefghijklm", "fedcba9876")
_STRONG = frozenset(
    [
        "your",
        "my",
        "insert",
        "paste",
        "put",
        "enter",
        "provide",
        "here",
        "example",
        "examples",
        "placeholder",
        "redacted",
        "replace",
        "changeme",
        "todo",
        "dummy",
        "sample",
        "fill",
        "removed",
        "hidden",
        "masked",
        "undefined",
        "votre",
    ]
)
"""Words that never stand alone in a random value; judged on boundaries, never as bare substrings."""
_WEAK = frozenset(
    [
        "secret",
        "token",
        "password",
        "passwd",
        "pass",
        "key",
        "apikey",
        "api",
        "valid",
        "true",
        "false",
        "none",
        "null",
        "goes",
        "change",
    ]
)
"""Words that a real pass phrase may hold: they count only when every word of the value is one."""
_WORDS = _STRONG | _WEAK
_SPLIT = re.compile(r"[\W_]+")
_CAMEL = re.compile(r"[\W_]+|(?<=[a-z])(?=[A-Z])")
"""Camel case is split only where no digit stands: in random text it means nothing."""
_BRACKETS = re.compile(r"\A(?:<.*>|\{.*\}|\[.*\]|\$.*|%\(.*|%\w+%|\*+|\.+|#+|@.*@)\Z", re.S)
_DOCUMENTED = ("EXAMPLE", "deleteThisAndPasteYour", "superseekr!t", "tomyheart", "provide_you", "FakeKey")


def entropy(value: str) -> float:
    """Return the Shannon entropy of ``value`` in bits per character (0.0 for an empty one)."""
    size = len(value)
    return -sum(n / size * math.log2(n / size) for n in Counter(value).values()) if size else 0.0


def looks_random(value: str) -> bool:
    """Say whether ``value`` could be random: no run of 8 equal characters, no counting, entropy of 2.6 bits or more."""
    if _RUN.search(value) is not None or entropy(value) < 2.6:
        return False
    if "..." in value or "…" in value:
        return False
    lower = value.lower()
    return not any(sequence in lower for sequence in _SEQUENCES)


def is_placeholder(value: str, *, minimum: int = 1) -> bool:
    """Say whether ``value`` is a stand-in such as ``YOUR_API_TOKEN``, ``<token>``, ``${VAR}`` or ``***``.

    ``minimum`` is the length below which nothing counts as a secret. A value of 24 or more characters and
    more than 3.6 bits each is not dismissed for a word in it: leaks contain words, too.
    """
    if len(value) < minimum or not value.strip():
        return True
    if any(character.isspace() for character in value) or _BRACKETS.match(value):
        return True
    if "${" in value or "{{" in value or "$(" in value or any(mark in value for mark in _DOCUMENTED):
        return True
    if any(mark in value for mark in ("<", ">")) and re.search(r"<[^<>]*>", value):
        return True
    if value.isupper() and value.replace("_", "").replace("-", "").isalpha():
        return True
    if not looks_random(value) and (len(value) >= 12 or _RUN.search(value) is not None or entropy(value) < 1.6):
        return True
    if len(value) >= 24 and entropy(value) > 3.6 and any(character.isdigit() for character in value):
        return False
    boundary = _SPLIT if any(character.isdigit() for character in value) else _CAMEL
    words = [word.lower() for word in boundary.split(value) if word]
    # A hump of two or three letters comes about by chance in random text; as the first word ("myToken") it does not.
    telling = words if boundary is _SPLIT else [word for at, word in enumerate(words) if at == 0 or len(word) > 3]
    return any(word in _STRONG for word in telling) or all(word in _WORDS for word in words)


def mixed(value: str) -> bool:
    """Say whether ``value`` holds upper case, lower case and a digit, as keys of 30 and more characters do."""
    return any(c.isdigit() for c in value) and any(c.islower() for c in value) and any(c.isupper() for c in value)
