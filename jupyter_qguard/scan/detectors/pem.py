"""Private keys as text blocks: PEM of every kind, OpenSSH, PGP, PuTTY; also inside Python strings, over several
adjacent literals, list elements or comment lines, and cut off before their end."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..detector import SMALL, Samples, compiled
from ..finding import Match, Rule, Span
from ..placeholders import entropy

LONGEST = 100_000
"""Code points a block is followed for: larger than any private key in use, PGP key rings included."""

_BEGIN = r"-{4,5} ?BEGIN (?P<kind>(?:[A-Z0-9]+ ){0,4})PRIVATE KEY(?: BLOCK)? ?-{4,5}"
_END = r"-{4,5} ?END (?:[A-Z0-9]+ ){0,4}PRIVATE KEY(?: BLOCK)? ?-{4,5}"
_RUN = re.compile(r"[A-Za-z0-9+/=]{16,}")
_STEP = re.compile(
    r"""[A-Za-z0-9+/=]{16,}|(?:Proc-Type|DEK-Info|Version|Comment|Charset|Hash): ?[^\n\\"']{0,200}"""
    r"""|\\{1,4}[nr]|[\s"',\\#>|+()\[\]]"""
)
_BODY_LEAST = 40
"""Base64 characters below which a block is a mention, not a key."""


@dataclass(frozen=True, slots=True)
class BlockDetector:
    """Finds key blocks by their opening line; cores are the base64 lines."""

    rule: Rule
    anchors: tuple[str, ...]
    begin: str
    end: str
    samples: Samples

    def matches(self, text: str) -> Iterator[Match]:
        """Yield every block that holds a key."""
        return self._from(text, 0)

    def near(self, text: str, ends: Sequence[int]) -> Iterator[Match]:
        """Yield the blocks that open at ``ends``; one is never confused with the next."""
        if ends:
            yield from self._from(text, 0 if len(text) <= SMALL else max(0, ends[0] - 120))

    def _from(self, text: str, start: int) -> Iterator[Match]:
        begins = [found.span() for found in compiled(self.begin).finditer(text, start)]
        for number, (first, header_end) in enumerate(begins):
            stop = min(len(text), header_end + LONGEST)
            if number + 1 < len(begins):
                stop = min(stop, begins[number + 1][0])
            closing = compiled(self.end).search(text, header_end, stop)
            body_end = closing.start() if closing else _unclosed(text, header_end, stop)
            cores = tuple(Span(*run.span()) for run in _RUN.finditer(text, header_end, body_end))
            body = "".join(text[core.start : core.end] for core in cores)
            if len(body) < _BODY_LEAST or entropy(body) < 3.2:
                continue
            yield Match(Span(first, closing.end() if closing else body_end), cores)


def _unclosed(text: str, start: int, stop: int) -> int:
    """Return where the base64 of a block without a closing line ends."""
    at = last = start
    while at < stop and (step := _STEP.match(text, at, stop)) is not None:
        at = step.end()
        if len(step[0]) >= 16:
            last = at
    tail = re.compile(r"(?:\\{1,4}n|\s){1,4}[A-Za-z0-9+/=]{1,15}(?=[\r\n\"'\\]|\Z)").match(text, last, stop)
    return tail.end() if tail and last > start else last


PRIVATE_KEY = Rule("private-key", "Private key", "critical", "provider", "a private key block with its base64 body")

DETECTORS = (
    BlockDetector(
        PRIVATE_KEY,
        (r"BEGIN (?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY",),
        _BEGIN,
        _END,
        Samples(
            true=(
                "⟦<pem:RSA>⟧",
                "key = '''\n⟦<pem:>⟧\n'''",
                "⟦<pem:EC>⟧\n<pem:OPENSSH>",
                "⟦<pem:ENCRYPTED>⟧",
                r'k = "⟦-----BEGIN PRIVATE KEY-----\nMII<B61>\nMII<B40>\n-----END PRIVATE KEY-----⟧\n"',
                r'"{\"private_key\": \"⟦-----BEGIN PRIVATE KEY-----\\nMII<B61>\\nMII<B40>'
                r'\\n-----END PRIVATE KEY-----⟧\\n\"}"',
                'k = ("⟦-----BEGIN RSA PRIVATE KEY-----\\n"\n     "MII<B61>\\n"\n'
                '     "MII<B61>\\n"\n     "-----END RSA PRIVATE KEY-----⟧")',
                "k = ['⟦-----BEGIN RSA PRIVATE KEY-----',\n 'MII<B61>',\n"
                " 'MII<B61>',\n '-----END RSA PRIVATE KEY-----⟧']",
                "# ⟦-----BEGIN RSA PRIVATE KEY-----\n# MII<B61>\n# MII<B61>\n# -----END RSA PRIVATE KEY-----⟧",
                "⟦-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: GnuPG v2\n"
                "\nlQ<B62>\n<B64>\n=<B4>\n-----END PGP PRIVATE KEY BLOCK-----⟧",
                "⟦-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,<H32>\n"
                "\nMII<B61>\n<B64>⟧",
            ),
            false=(
                "-----BEGIN PRIVATE KEY-----",
                "-----BEGIN PRIVATE KEY-----\nMIIE...\n-----END PRIVATE KEY-----",
                "-----BEGIN PUBLIC KEY-----\nMII<B61>\n-----END PUBLIC KEY-----",
                "-----BEGIN CERTIFICATE-----\nMII<B61>\n-----END CERTIFICATE-----",
                "paste -----BEGIN PRIVATE KEY----- here and go on with a long explanation of what a private key is",
                "-----BEGIN PRIVATE KEY-----\n" + "x" * 50 + "\n-----END PRIVATE KEY-----",
            ),
        ),
    ),
    BlockDetector(
        PRIVATE_KEY,
        (r"PuTTY-User-Key-File-[0-9]: ",),
        r"PuTTY-User-Key-File-\d: ",
        r"Private-MAC: [0-9a-f]{40,64}",
        Samples(
            true=(
                "⟦PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: me\nPublic-Lines: 2\n<B64>\n<B12>\n"
                "Private-Lines: 1\n<B64>\nPrivate-MAC: <h64>⟧",
            ),
            false=("PuTTY-User-Key-File-2: is how such a file begins",),
        ),
    ),
)
