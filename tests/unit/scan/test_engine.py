"""The engine: offsets, overlaps, markers, cache, threads, fallback."""

import os
import random
import stat
import string
import subprocess
import sys
import threading

import pytest

from jupyter_qguard.scan.detector import Samples, TokenDetector
from jupyter_qguard.scan.detectors import all_detectors, forges
from jupyter_qguard.scan.detectors._samples import chars, render
from jupyter_qguard.scan.engine import BATCH, Engine, EngineHit, resolve
from jupyter_qguard.scan.finding import Match, Rule, Span

ENGINE = Engine(all_detectors(), hyperscan=True)
FALLBACK = Engine(all_detectors(), hyperscan=False)
FEW = forges.DETECTORS


def token(rng=None):
    return "ghp_" + chars(rng or random.Random(), "n", 36)


def spans(hits):
    return [(hit.index, hit.rule.id, hit.match.span.start, hit.match.span.end) for hit in hits]


def test_offsets_are_code_points_of_each_text():
    first, second = token(), token()
    texts = ["", "é😀\ud800 " + first, "nothing", second + "😀", ""]
    assert spans(ENGINE.scan(texts)) == [(1, "github-token", 4, 44), (3, "github-token", 0, 40)]


def test_nothing_in_nothing_out():
    assert ENGINE.scan([]) == []
    assert ENGINE.scan(["", "", "\n"]) == []


def test_nul_bytes_and_surrogates_do_not_stop_the_scan():
    assert len(ENGINE.scan(["\x00\x00" + token() + "\x00\udfff"])) == 1


def test_more_text_than_one_batch():
    secret = token()
    texts = ["x" * 100_000] * (BATCH // 100_000 + 3) + [secret] + ["y" * (BATCH + 5) + " " + secret]
    assert [hit.index for hit in ENGINE.scan(texts)] == [len(texts) - 2, len(texts) - 1]


def test_a_token_never_spans_two_texts():
    secret = token()
    assert ENGINE.scan([secret[:20], secret[20:]]) == []


def rule(name, tier="provider"):
    return Rule(name, name, "high", tier, name)


def test_overlaps_go_to_the_stronger_tier_then_the_longer():
    def hit(name, tier, start, end):
        return EngineHit(0, rule(name, tier), Match(Span(start, end), (Span(start, end),)))

    provider, context, generic = hit("p", "provider", 5, 8), hit("c", "context", 0, 30), hit("g", "generic", 40, 50)
    longer = hit("l", "provider", 4, 9)
    assert resolve([generic, context, provider, longer]) == [longer, generic]
    assert resolve([context, hit("g2", "generic", 10, 60)]) == [context]


def test_generic_rules_can_be_turned_off_per_text():
    noisy = TokenDetector(rule("noise", "generic"), ("noise[0-9]{4}",), "noise[0-9]{4}", lambda m: True)
    engine = Engine([noisy])
    assert [hit.index for hit in engine.scan(["noise1234", "noise1234"], generic=[False, True])] == [1]


def test_markers_are_never_hit():
    greedy = TokenDetector(rule("greedy"), ("pw=",), r"pw=(?P<span>\S+)", lambda m: True)
    engine = Engine([greedy])
    assert engine.scan(["pw=[REDACTED:greedy:0a1b2c3d]", "pw=REDACTED-greedy-00000000"]) == []
    assert len(engine.scan(["pw=[REDACTED:unknown-rule:0a1b2c3d]", "pw=[REDACTED:greedy:0a1b2c3d]hunter2x"])) == 2


def test_a_long_token_in_a_long_text_is_found_whole():
    long = TokenDetector(rule("long"), ("start-[a-z]{4}",), "start-[a-z]+", lambda m: True, (50, 50))
    text = "." * 5000 + "start-" + "x" * 300_000 + "." * 5000
    assert spans(Engine([long]).scan([text])) == [(0, "long", 5000, 305_006)]


def test_a_window_edge_is_no_end():
    exact = TokenDetector(
        rule("exact"), ("[0-9a-f]{8}",), r"(?<![0-9a-f])[0-9a-f]{8}(?![0-9a-f])", lambda m: True, (30, 0)
    )
    assert Engine([exact]).scan(["g" * 3000 + "a1" * 2000 + "g" * 3000]) == []


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "foreign", "valid-hash-wrong-body"])
def test_a_bad_cache_is_rebuilt(tmp_path, damage):
    import hashlib

    folder = tmp_path / "cache"
    assert len(Engine(FEW, cache_dir=folder, hyperscan=True).scan([token()])) == 1
    (file,) = folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    good = file.read_bytes()
    bodies = {
        "flip": good[:500] + bytes([good[500] ^ 1]) + good[501:],
        "cut": good[: len(good) // 2],
        "empty": b"",
        "foreign": os.urandom(5000),
        "valid-hash-wrong-body": good[:18] + hashlib.sha256(b"x" * 4000).digest() + b"x" * 4000,
    }
    file.write_bytes(bodies[damage])
    assert len(Engine(FEW, cache_dir=folder, hyperscan=True).scan([token()])) == 1
    assert file.read_bytes()[:18] == good[:18]
    assert len(file.read_bytes()) == len(good)
    assert [p.name for p in folder.iterdir()] == [file.name]


def test_a_cache_that_others_may_write_is_not_trusted(tmp_path):
    Engine(FEW, cache_dir=tmp_path, hyperscan=True)
    (file,) = tmp_path.iterdir()
    file.chmod(0o666)
    Engine(FEW, cache_dir=tmp_path, hyperscan=True)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_cache_folder_that_cannot_be_made_is_done_without(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("x")
    assert len(Engine(FEW, cache_dir=blocked / "cache", hyperscan=True).scan([token()])) == 1


def test_a_long_run_of_candidates_costs_little():
    dump = "".join(random.Random().choices("0123456789abcdef", k=300_000))
    found = ENGINE._finder.find(b"\n" + dump.encode() + b"\n")
    assert 1000 < len(found) < 10_000
    secret = token()
    hits = [hit for hit in ENGINE.scan([dump + " " + secret]) if hit.rule.tier != "generic"]
    assert spans(hits) == [(0, "github-token", 300_001, 300_041)]


def test_neighbouring_short_texts_do_not_hide_one_another():
    engine = Engine([TokenDetector(rule("digit"), ("[0-9]",), "[0-9]", lambda m: True)], hyperscan=True)
    assert [hit.index for hit in engine.scan(["1", "2", "", "3", "x4"])] == [0, 1, 3, 4]


def test_many_threads_share_one_engine():
    secrets = [token() for _ in range(8)]
    results = {}

    def work(number):
        texts = ["a" * 50_000, secrets[number], "b" * number]
        results[number] = [spans(ENGINE.scan(texts)) for _ in range(5)]

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(results[n] == [[(1, "github-token", 0, 40)]] * 5 for n in range(8))


def test_the_fallback_finds_the_same_in_samples():
    rng = random.Random()
    texts = [render(t, rng)[0] for d in all_detectors() for t in d.samples.true + d.samples.false]
    assert spans(FALLBACK.scan(texts)) == spans(ENGINE.scan(texts))
    joined = [" ".join(rng.sample(texts, 12)) for _ in range(20)]
    assert spans(FALLBACK.scan(joined)) == spans(ENGINE.scan(joined))


def test_the_fallback_finds_the_same_in_noise():
    rng = random.Random()
    pieces = [render(t, rng)[0] for d in all_detectors() for t in d.samples.true]
    alphabet = string.printable + "éñ😀٣Kſ"
    texts = []
    for _ in range(60):
        noise = "".join(rng.choice(alphabet) for _ in range(300))
        piece = rng.choice(pieces)
        cut = rng.randrange(len(piece) + 1)
        texts.append(noise[:150] + piece[:cut] + rng.choice(["", "x", "\n", '"']) + piece[cut:] + noise[150:])
    assert spans(FALLBACK.scan(texts)) == spans(ENGINE.scan(texts))


def test_the_engine_is_light_to_import():
    code = (
        "import sys, jupyter_qguard.scan.engine, jupyter_qguard.scan.rules\n"
        "heavy = {'detect_secrets', 'requests', 'hyperscan', 'nbformat', 'jupyter_server'} & set(sys.modules)\n"
        "from jupyter_qguard.scan.engine import default_engine\n"
        "default_engine().scan(['clean text'])\n"
        "heavy |= {'detect_secrets', 'requests'} & set(sys.modules)\n"
        "print(sorted(heavy))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_environment_can_turn_hyperscan_off(monkeypatch):
    monkeypatch.setenv("QGUARD_NO_HYPERSCAN", "1")
    engine = Engine(all_detectors())
    assert type(engine._finder).__name__ == "ReFinder"
    assert len(engine.scan([token()])) == 1


def test_samples_default_to_none():
    assert Samples() == Samples((), ())
