"""What a baseline knows a value by: rule and scrypt of the value's random part, under the baseline's own salt.

A baseline is committed, so its digests can be attacked at leisure. Random values of 48 bits and more stand that;
what a person could have chosen does not, and :func:`is_guessable` says which those are.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
from collections import OrderedDict

from jupyter_qguard.scan.redact import Hit, bits_per_char, is_echoing
from jupyter_qguard.secret import Secret

COST = {"n": 1 << 14, "r": 8, "p": 1}
"""About 60 ms and 16 MiB per digest (RFC 7914 calls N = 2^14 its figure for interactive use)."""
LENGTH = 16
"""Bytes of a digest: 128 bits are more than the values have that are let into a baseline."""
REMEMBERED = 20_000
_GENERIC_LENGTH = 20
_GENERIC_BITS = 3.5

_key = secrets.token_bytes(32)
_known: OrderedDict[bytes, str] = OrderedDict()
_lock = threading.Lock()


def value_of(hit: Hit) -> Secret:
    """Return what a digest is taken of: the rule and the core(s), as a JSON array in ASCII.

    Not the whole span: quotes, hosts and armour around a value change when it moves. The rule is part of it, so
    that an entry says nothing about the same value under another rule. The length of each core is in the array.
    """
    cores = hit.core_texts() or [hit.unit.text[hit.low : hit.high]]
    return Secret(json.dumps([hit.rule.id, *cores]))


def is_guessable(hit: Hit) -> bool:
    """Return whether someone with the file and a list of likely values could find this one."""
    if hit.rule.low_entropy:
        return True
    cores = hit.core_texts()
    if hit.rule.tier != "generic":  # the vendor made it
        return not any(is_echoing(core) for core in cores)
    return not any(
        len(core) >= _GENERIC_LENGTH
        and bits_per_char(core) >= _GENERIC_BITS
        and any(letter.isdigit() for letter in core)
        and any(letter.isalpha() for letter in core)
        for core in cores
    )


def identity(value: Secret) -> bytes:
    """Return a keyed hash that tells values apart within this process, at no cost to speak of."""
    return hmac.digest(_key, value.reveal().encode("ascii"), "sha256")


def digest(value: Secret, salt: str) -> str:
    """Return the digest of a value as 32 hexadecimal digits; worked out once per value, salt and process.

    ``salt`` is hexadecimal. Takes about 60 ms the first time and lets other threads run meanwhile.
    """
    known = hmac.digest(identity(value), bytes.fromhex(salt), "sha256")
    with _lock:
        found = _known.get(known)
        if found is not None:
            _known.move_to_end(known)
            return found
    made = hashlib.scrypt(value.reveal().encode("ascii"), salt=bytes.fromhex(salt), dklen=LENGTH, **COST).hex()
    with _lock:
        _known[known] = made
        if len(_known) > REMEMBERED:
            _known.popitem(last=False)
    return made


def new_salt() -> str:
    """Return 16 random bytes in hexadecimal."""
    return secrets.token_hex(16)
