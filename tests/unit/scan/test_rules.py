"""Every rule finds its true samples whole and leaves its false ones alone."""

import random

import pytest

from jupyter_qguard.scan import rules
from jupyter_qguard.scan.detectors import all_detectors
from jupyter_qguard.scan.detectors._samples import render
from jupyter_qguard.scan.engine import Engine
from jupyter_qguard.scan.placeholders import is_placeholder

ENGINE = Engine(all_detectors())
NUMBERED = [pytest.param(d, id=f"{i}-{d.rule.id}") for i, d in enumerate(all_detectors())]


@pytest.mark.parametrize("detector", NUMBERED)
def test_true_samples_are_found_whole(detector):
    rng = random.Random()
    assert detector.samples.true, "a rule without a true sample proves nothing"
    for number, template in enumerate(detector.samples.true):
        for _ in range(5):
            text, span = render(template, rng)
            assert span is not None, f"template {number} marks no span"
            hits = [hit for hit in ENGINE.scan([text]) if hit.rule == detector.rule]
            covered = [(hit.match.span.start, hit.match.span.end) for hit in hits]
            assert any(a <= span[0] and span[1] <= b for a, b in covered), f"template {number}: {span} not in {covered}"
            own = [m for m in detector.matches(text) if m.span.start <= span[0] and m.span.end >= span[1]]
            assert own, f"template {number} is found by another detector only"
            assert all(m.span.start <= core.start < core.end <= m.span.end for m in own for core in m.cores)


@pytest.mark.parametrize("detector", NUMBERED)
def test_false_samples_are_left_alone(detector):
    rng = random.Random()
    for number, template in enumerate(detector.samples.false):
        for _ in range(5):
            text, _ = render(template, rng)
            hits = [hit.rule.id for hit in ENGINE.scan([text]) if hit.rule == detector.rule]
            assert hits == [], f"template {number}"


def test_a_sample_in_a_large_text_is_found_at_the_same_place():
    rng = random.Random()
    pad = "lorem ipsum é😀 dolor \n" * 400
    for detector in all_detectors():
        for template in detector.samples.true:
            text, _ = render(template, rng)
            alone = {(h.rule.id, h.match.span.start, h.match.span.end) for h in ENGINE.scan([text])}
            inside = ENGINE.scan([pad + text + "\n" + pad])
            shifted = {(h.rule.id, h.match.span.start - len(pad), h.match.span.end - len(pad)) for h in inside}
            assert alone == shifted, detector.rule.id


def test_rule_ids_are_kebab_case_and_unique():
    assert all(rule_id == rule.id for rule_id, rule in rules.ALL.items())
    assert all(part.isalnum() and part == part.lower() for rule_id in rules.ALL for part in rule_id.split("-"))
    assert rules.get("github-token") is rules.ALL["github-token"]
    assert rules.get("no-such-rule") is None


def test_the_documented_rules_are_the_real_ones():
    from pathlib import Path

    page = Path(__file__).parents[3] / "docs" / "rules.md"
    assert page.read_text(encoding="utf-8") == rules.markdown()


@pytest.mark.parametrize(
    ("value", "stand_in"),
    [("myToken", True), ("MyApiKey", True), ("insertTokenHere", True), ("your-key", True), ("qEnCniMyPz", False)],
)
def test_a_short_word_counts_in_camel_case_only_where_it_comes_first(value, stand_in):
    """Random letters hold a hump such as ``My`` once in a few thousand times."""
    assert is_placeholder(value) is stand_in
