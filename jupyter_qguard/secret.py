"""Plaintext has one type. It masks itself everywhere except in ``reveal()``."""

from __future__ import annotations

import hashlib
import hmac
from typing import NoReturn

NO_FINGERPRINT = "0" * 64
"""Published for rules whose values are guessable: a keyed hash would still be an oracle."""


class Secret:
    """A secret text. ``repr``, ``str`` and ``format`` mask it; pickling refuses."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the plaintext. The only way out, so that it can be searched for."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "Secret(***)"

    def __len__(self) -> int:
        return len(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(
            self._value.encode("utf-8", "surrogatepass"),
            other._value.encode("utf-8", "surrogatepass"),
        )

    __hash__ = None  # type: ignore[assignment]  # a hash would be an unkeyed fingerprint

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled or copied")

    def __getstate__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled or copied")


def fingerprint(key: bytes | None, text: str) -> str:
    """Return the keyed HMAC-SHA256 of a whole span as 64 hex digits.

    ``key`` is the installation key (32 bytes); without one the result is
    :data:`NO_FINGERPRINT`, so that machines without a common key agree.
    """
    if key is None:
        return NO_FINGERPRINT
    return hmac.new(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
