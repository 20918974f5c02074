"""The adapter finds what the plug-ins of detect-secrets find on the same lines, no more, no less."""

import dataclasses
import random
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jupyter_qguard.scan.detectors import all_detectors, yelp
from jupyter_qguard.scan.detectors._samples import render
from jupyter_qguard.scan.engine import Engine

PLUGINS = [detector for detector in all_detectors() if isinstance(detector, yelp.PluginDetector)]
NAMES = sorted({detector.name for detector in PLUGINS})
# Without the filter for stand-ins, so that the comparison is exact.
BARE = [dataclasses.replace(detector, keep=lambda value: True, unless="") for detector in PLUGINS]
ENGINES = [Engine([detector], hyperscan=True) for detector in BARE]
FALLBACKS = [Engine([detector], hyperscan=False) for detector in BARE]


def reported(name, line):
    """Return the secrets that the real plug-in reports on ``line``, its limit applied."""
    plugin = yelp.plugin(name)
    values = {value for value in plugin.analyze_string(line) if value}
    if name.startswith("high_entropy"):
        return {value for value in values if plugin.calculate_shannon_entropy(value) > plugin.entropy_limit}
    return values


def adapted(name, line):
    return {value for d in PLUGINS if d.name == name for value, _, _ in d.find(name, line)} - {""}


def test_what_is_told_of_the_entropy_plugins_is_theirs():
    for name, (regex, limit) in yelp._QUOTED.items():
        plugin = yelp.plugin(name)
        assert limit == plugin.entropy_limit
        inside, theirs = (one.pattern.split(")(")[1] for one in (regex, plugin.regex))
        for code in range(0x250):
            assert bool(re.fullmatch(inside, chr(code))) == bool(re.fullmatch(theirs, chr(code)))
        for _ in range(200):
            value = "".join(random.choices(sorted(set(plugin.charset)), k=random.randrange(1, 60)))
            assert yelp._entropy(value) >= plugin.calculate_shannon_entropy(value) - 1e-9


def test_all_plugins_are_there():
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

    classes = {
        f"{c.__module__.rpartition('.')[2]}.{c.__name__}" for c in get_mapping_from_secret_type_to_class().values()
    }
    assert len(classes) == 27
    assert set(NAMES) == classes


def test_one_rule_per_plugin_finding():
    assert all(detector.rule.id for detector in PLUGINS)
    generic = {detector.rule.id for detector in PLUGINS if detector.rule.tier == "generic"}
    assert generic == {"high-entropy-string", "high-entropy-hex", "secret-keyword", "public-ip", "private-key-header"}


SAMPLES = [template for detector in all_detectors() for template in detector.samples.true + detector.samples.false]
PIECES = (
    " ",
    "=",
    ":",
    '"',
    "'",
    "`",
    " = ",
    ' = "',
    "password",
    "secret",
    "aws",
    "token",
    "key",
    "//",
    "https://",
    "@",
    "::",
    "eyJ",
    "sk-",
    "AKIA",
    "AKC",
    "ghp_",
    ".",
    "-",
    "_",
    "\t",
    "\x1c",
    "\xa0",
    "\x85",
    "٣",
    "K",
    "ſ",
    "İ",
    "ñ",
    "😀",
    ";",
    "[0]",
    "]",
    "=>",
    "!=",
    "==",
    ":=",
    "/:_authToken=",
    "npm_",
    "1.2.3.4",
    "T3BlbkFJ",
    "contraseña",
    "\\",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
)
GLUE = st.sampled_from(PIECES)


@st.composite
def lines(draw):
    rng = random.Random(draw(st.integers(0, 2**32)))
    parts = []
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.integers(0, 2))
        if kind == 0:
            parts.append(draw(GLUE))
        elif kind == 1:
            parts.append(draw(st.text(max_size=12)))
        else:
            text = render(rng.choice(SAMPLES), rng)[0]
            for _ in range(draw(st.integers(0, 2))):
                at = rng.randrange(len(text) + 1)
                text = (
                    text[:at] + rng.choice(["", " ", "٣", "ſ", "K", '"', "=", "x", "_"]) + text[at + rng.randrange(2) :]
                )
            parts.append(text)
    return "".join(parts).replace("\n", " ").replace("\r", " ")


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(lines())
def test_the_same_findings_as_the_plugins(line):
    for name in NAMES:
        assert adapted(name, line) == reported(name, line), name


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(lines())
def test_anchors_miss_nothing(line):
    texts = ["before", f"first\n{line}\nlast"]
    for detector, engine, fallback in zip(BARE, ENGINES, FALLBACKS, strict=True):
        wanted = {(m.span.start, m.span.end) for m in detector.matches(texts[1])}
        for used in (engine, fallback):
            found = {(h.match.span.start, h.match.span.end) for h in used.scan(texts)}
            # Overlaps are resolved to the longest: each wanted span must be inside a found one.
            assert all(
                any(a <= start and end <= b for a, b in found) or any(a < end and start < b for a, b in found)
                for start, end in wanted
            ), detector.name
            assert bool(found) == bool(wanted), detector.name


def test_every_sample_line_agrees():
    rng = random.Random()
    for template in SAMPLES:
        for line in render(template, rng)[0].splitlines():
            for name in NAMES:
                assert adapted(name, line) == reported(name, line), name


@pytest.mark.parametrize("name", NAMES)
def test_the_whole_secret_not_its_prefix(name):
    rng = random.Random()
    for detector in PLUGINS:
        if detector.name == name:
            for template in detector.samples.true:
                text, span = render(template, rng)
                assert span in {(m.span.start, m.span.end) for m in detector.matches(text)}


def test_unicode_digits_of_this_python_are_known():
    import re
    import sys

    from jupyter_qguard.scan.detectors._yelp_unicode import DIGITS_ANCHOR, FOLDED_ANCHOR

    anchor = re.compile(f"{DIGITS_ANCHOR}|{FOLDED_ANCHOR}".encode())
    digit = re.compile(r"\d")
    missing = [
        code
        for code in range(128, sys.maxunicode + 1)
        if not 0xD800 <= code < 0xE000 and digit.match(chr(code)) and not anchor.fullmatch(chr(code).encode())
    ]
    assert missing == []
    folded = re.compile(r"[a-z]", re.IGNORECASE)
    extra = [
        code for code in range(128, 0x3000) if folded.match(chr(code)) and not anchor.fullmatch(chr(code).encode())
    ]
    assert extra == []


def test_no_settings_and_no_network_are_touched(monkeypatch):
    import socket

    import detect_secrets.settings

    def refuse(*args, **kwargs):
        raise AssertionError("touched")

    monkeypatch.setattr(detect_secrets.settings, "get_settings", refuse)
    monkeypatch.setattr("detect_secrets.plugins.base.get_settings", refuse)
    monkeypatch.setattr(socket, "socket", refuse)
    rng = random.Random()
    for detector in PLUGINS:
        for template in detector.samples.true:
            assert list(detector.matches(render(template, rng)[0]))


def test_a_pragma_does_not_hide_a_secret():
    text, _ = render("x = '<n60>'  # pragma: allowlist secret", random.Random())
    assert [hit.rule.id for hit in Engine(PLUGINS).scan([text])] == ["high-entropy-string"]


def test_a_giant_line_is_judged_around_candidates():
    rng = random.Random()
    text = "a=1," * 50_000 + render("password = '<n12>'", rng)[0] + ";b=2" * 50_000
    found = {hit.rule.id for hit in Engine(PLUGINS).scan([text])}
    assert found == {"secret-keyword"}
