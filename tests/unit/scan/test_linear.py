"""Exact checks stay linear: long repetitions of every beginning of a secret neither hang nor hide what follows."""

import random

import pytest

from jupyter_qguard.scan.detectors import all_detectors
from jupyter_qguard.scan.detectors._samples import render
from jupyter_qguard.scan.engine import Engine

ENGINE = Engine(all_detectors())
SIZE = 12_000
LARGE = 200_000


@pytest.mark.parametrize("detector", [pytest.param(d, id=f"{i}-{d.rule.id}") for i, d in enumerate(all_detectors())])
def test_repeated_beginnings_do_not_hide_the_secret(detector):
    rng = random.Random(7)
    template = detector.samples.true[0]
    text, span = render(template, rng)
    for length in (1, 4, 9, 20, len(text) - 1):
        piece = text[:length]
        noise = (piece * (SIZE // len(piece) + 1))[:SIZE]
        whole = noise + "\n\n" + text
        shift = len(whole) - len(text)
        spans = [(match.span.start - shift, match.span.end - shift) for match in detector.matches(whole)]
        assert any(start <= span[0] and span[1] <= end for start, end in spans) or any(
            start < span[1] and span[0] < end for start, end in spans
        ), length


HOSTILE = [
    "`a",
    "'a",
    '"',
    "password = ",
    "secret",
    "eyJ",
    "//",
    "://a:",
    "-----BEGIN RSA PRIVATE KEY-----",
    "token(",
    " ",
]
HOSTILE += [
    "sk-",
    "a1",
    "save_account(",
    'save_account("a",',
    "ghp_",
    "QiskitRuntimeService(\n",
    "=",
    "\\",
    "# ",
    "--token ",
    "1.",
    "٣",
    "\r",
    "[REDACTED:",
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_lot_of_hostile_text_is_scanned_to_its_end(piece):
    secret = render("<n36>", random.Random())[0]
    noise = piece * (LARGE // len(piece))
    text = noise + "\n\nghp_" + secret
    hits = ENGINE.scan([text])
    assert any(hit.rule.id == "github-token" and hit.match.span.end == len(text) for hit in hits)


@pytest.mark.parametrize("size", [10, 1000])
def test_memory_stays_a_small_multiple_of_the_text(size):
    import tracemalloc

    texts = ["lorem ipsum dolor sit amet " * size] * (20_000_000 // (27 * size))
    total = sum(map(len, texts))
    ENGINE.scan(texts[:3])
    tracemalloc.start()
    ENGINE.scan(texts)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < total
