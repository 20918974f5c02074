"""Renders sample templates into texts with fresh random values, so that no live-looking secret is ever committed.

In a template ``<h40>`` stands for 40 random characters of class ``h``; ``⟦`` and ``⟧`` mark the span that must be
found. Named blocks: ``<jwt>`` ``<jwt-reversed>`` ``<pem:KIND>``.
"""

from __future__ import annotations

import base64
import json
import random
import re
import string

CLASSES = {
    "a": string.ascii_lowercase,
    "A": string.ascii_uppercase,
    "n": string.ascii_letters + string.digits,
    "l": string.ascii_lowercase + string.digits,
    "u": string.ascii_uppercase + string.digits,
    "2": string.ascii_uppercase + "234567",
    "d": string.digits,
    "h": "0123456789abcdef",
    "H": "0123456789ABCDEF",
    "w": string.ascii_letters + string.digits + "-_",
    "B": string.ascii_letters + string.digits + "+/",
    "z": string.ascii_lowercase + "234567",
}
_FIELD = re.compile(r"<(?:(?P<cls>[aAnlu2dhHwBz])(?P<size>\d+)|(?P<name>uuid|jwt-reversed|jwt|pem:[A-Z0-9 ]*))>")


def chars(rng: random.Random, cls: str, size: int) -> str:
    """Return ``size`` random characters of class ``cls``; long mixed ones always hold upper, lower and digit."""
    alphabet = CLASSES[cls]
    value = "".join(rng.choice(alphabet) for _ in range(size))
    if cls in "nwB" and size >= 8:
        value = value[:1] + rng.choice("ABCDEFGH") + rng.choice("abcdefgh") + rng.choice("23456789") + value[4:]
        value = rng.choice(string.ascii_letters) + value[1:-1] + rng.choice(string.ascii_letters)
    return value


def jwt(rng: random.Random) -> str:
    """Return a well-formed signed-looking JWT with random claims and signature."""

    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).decode().rstrip("=")

    header = {"alg": rng.choice(["HS256", "RS256", "HS512"]), "typ": "JWT"}
    claims = {"sub": chars(rng, "n", 12), "exp": rng.randrange(10**9, 2 * 10**9)}
    return f"{part(header)}.{part(claims)}.{chars(rng, 'w', 43)}"


def pem(rng: random.Random, kind: str) -> str:
    """Return a PEM block of ``kind`` (``RSA``, empty for PKCS#8, …) with a random body."""
    name = f"{kind} PRIVATE KEY".strip()
    body = "\n".join("MII" + chars(rng, "B", 61) for _ in range(6))
    return f"-----BEGIN {name}-----\n{body}\n-----END {name}-----"


def render(template: str, rng: random.Random) -> tuple[str, tuple[int, int] | None]:
    """Return the text and, if marked, the half-open span (code points) that must be found."""

    def fill(match: re.Match[str]) -> str:
        if match["cls"]:
            return chars(rng, match["cls"], int(match["size"]))
        name = match["name"]
        if name == "uuid":
            digits = chars(rng, "h", 32)
            return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
        if name == "jwt":
            return jwt(rng)
        if name == "jwt-reversed":
            return jwt(rng)[::-1]
        return pem(rng, name.partition(":")[2])

    text = _FIELD.sub(fill, template)
    if "⟦" not in text:
        return text, None
    start = text.index("⟦")
    end = text.index("⟧") - 1
    return text.replace("⟦", "").replace("⟧", ""), (start, end)
