"""JSON Web Tokens. The header must decode; the core is what follows it (claims and signature)."""

from __future__ import annotations

import binascii
import json
import re
from typing import Any

from ..placeholders import looks_random
from ._make import token


def decode_part(part: str) -> Any:
    """Return the JSON object in one base64url part, None if there is none."""
    if len(part) > 20_000:
        return None
    try:
        raw = binascii.a2b_base64(
            part.replace("-", "+").replace("_", "/").rstrip("=") + "=" * (-len(part.rstrip("=")) % 4)
        )
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


def is_header(part: str) -> bool:
    """Say whether ``part`` is a JOSE header: a JSON object with ``alg`` (or ``enc``)."""
    header = decode_part(part)
    return isinstance(header, dict) and ("alg" in header or "enc" in header)


def is_token(value: str) -> bool:
    """Say whether ``value`` is a JWT with a decoding header and something random after it."""
    head, _, rest = value.partition(".")
    return is_header(head) and looks_random(rest) and "." in rest and len(rest.rpartition(".")[2]) >= 16


def _jwt(match: re.Match[str]) -> bool:
    if not is_header(match["head"]) or not looks_random(match["core"]):
        return False
    claims = decode_part(match["core"].partition(".")[0])
    return not (isinstance(claims, dict) and claims.get("name") == "John Doe")  # the documentation's own example


DETECTORS = (
    token(
        "json-web-token",
        "JSON Web Token",
        r"(?<![A-Za-z0-9_.-])(?P<head>eyJ[A-Za-z0-9_-]{6,2000})\.(?P<core>[A-Za-z0-9_-]{0,8000}\.[A-Za-z0-9_-]{16,8000}"
        r"(?:\.[A-Za-z0-9_-]{0,8000}){0,2})",
        anchor=r"eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]{16}",
        accept=_jwt,
        reach=(12_000, 12_000),
        why="three base64url parts, the first a JOSE header",
        true=("Authorization: Bearer ⟦<jwt>⟧", "id_token='⟦<jwt>⟧'", "token=⟦<jwt>⟧&x=1"),
        false=("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.signature", "eyJhbGciOiJIUz......", "eyJabc.def.ghi"),
    ),
)
