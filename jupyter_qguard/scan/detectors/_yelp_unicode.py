"""The few non-ASCII characters that ASCII anchors cannot see but Python's ``\\d`` and ``IGNORECASE`` match.

Two extra byte patterns send a line that holds any of them to the plug-ins of detect-secrets that care.
"""

from __future__ import annotations

_DIGITS = (
    "660 6f0 7c0 966 9e6 a66 ae6 b66 be6 c66 ce6 d66 de6 e50 ed0 f20 1040 1090 17e0 1810 1946 19d0 1a80 1a90 1b50 1bb0 "
    "1c40 1c50 a620 a8d0 a900 a9d0 a9f0 aa50 abf0 ff10 104a0 10d30 10d40 11066 110f0 11136 111d0 112f0 11450 114d0 "
    "11650 116c0 116d0 116da 11730 118e0 11950 11bf0 11c50 11d50 11da0 11de0 11f50 16a60 16ac0 16b50 16d70 1ccf0 1d7ce "
    "1d7d8 1d7e2 1d7ec 1d7f6 1e140 1e2f0 1e4f0 1e5f1 1e950 1fbf0"
)
"""First code points (hex) of the blocks of ten decimal digits beyond ASCII, up to Unicode 17."""
_FOLDED = (0x130, 0x131, 0x17F, 0x212A)
"""Letters that fold to i, s or k."""


def _escape(data: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in data)


def _digits() -> str:
    parts = []
    for block in _DIGITS.split():
        first, last = (chr(int(block, 16) + step).encode() for step in (0, 9))
        parts.append(f"{_escape(first[:-1])}[{_escape(first[-1:])}-{_escape(last[-1:])}]")
    return f"(?:{'|'.join(parts)})"


DIGITS_ANCHOR = _digits()
"""For plug-ins with ``\\d``."""
FOLDED_ANCHOR = f"(?:{'|'.join(_escape(chr(code).encode()) for code in _FOLDED)})"
"""For plug-ins that ignore case."""
