"""A pause counts between its two times, where the floor allows it and as long as policy says; no clock is trusted."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jupyter_qguard import settings
from jupyter_qguard.errors import ConfigError, InputError, LedgerError
from jupyter_qguard.ledger.event import Event
from jupyter_qguard.pausing import Pausing
from jupyter_qguard.settings import PAUSE_NAME, Pause, Policies, parse_duration, shown_duration

HOUR = timedelta(hours=1)


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2027, 1, 31, 9, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class Record:
    def __init__(self) -> None:
        self.events: list[Event] = []
        self.broken = False

    def append(self, event: Event) -> None:
        if self.broken:
            raise LedgerError("full")
        self.events.append(event)


class World:
    def __init__(self, folder: Path) -> None:
        self.folder, self.clock, self.record = folder, Clock(), Record()
        for name in ("system", "user", "root", "data"):
            (folder / name).mkdir()
        self.file = folder / "data" / PAUSE_NAME

    def policy(self, role: str, text: str) -> None:
        (self.folder / role / "qguard.toml").write_text(text)

    def load(self) -> Policies:
        return settings.load(
            None,
            root=self.folder / "root",
            env={},
            system_dirs=(self.folder / "system",),
            user_dir=self.folder / "user",
            clock=self.clock,
            pause_file=self.file,
        )

    def pausing(self, policies: Policies | None = None) -> Pausing:
        return Pausing(policies or self.load(), self.record, self.folder / "data", self.clock)

    def notes(self) -> list[str]:
        return [event.note for event in self.record.events]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_pause_observes_and_ends_by_itself(world: World) -> None:
    policies = world.load()
    before = policies.digest
    assert policies.mode == "enforce"
    pause = world.pausing().begin(HOUR, "ada")
    assert pause.until == world.clock.now + HOUR
    assert policies.mode == policies.effective("a.ipynb").mode == "observe"
    assert any("paused until 2027-01-31 10:30 UTC by ada" in notice for notice in policies.notices)
    assert policies.problems == ()
    assert policies.effective("x").explain()[0].source.startswith("paused until")
    world.clock.now += HOUR - timedelta(seconds=1)
    assert policies.mode == "observe"
    assert policies.pause_over is None
    world.clock.now += timedelta(seconds=1)
    assert policies.mode == "enforce"
    assert policies.digest == before
    assert policies.notices == ()
    assert policies.pause_over == pause


def test_begin_and_end_are_recorded_once(world: World) -> None:
    world.pausing().begin(HOUR, "ada")
    assert [event.who for event in world.record.events] == ["ada"]
    assert world.record.events[0].mode == "observe"
    assert world.file.stat().st_mode & 0o777 == 0o600
    world.clock.now += 2 * HOUR
    one, other = world.pausing(), world.pausing()
    one.end_if_over()
    other.end_if_over()
    assert len(world.record.events) == 2
    assert "its time was up" in world.notes()[1]
    assert not world.file.exists()


def test_stop_ends_and_records(world: World) -> None:
    policies = world.load()
    world.pausing().begin(HOUR, "ada")
    assert world.pausing().stop("ada")
    assert policies.mode == "enforce"
    assert world.notes()[1] == "the pause was ended"
    assert not world.pausing().stop("ada")


def test_a_stop_that_cannot_be_recorded_ends_the_pause_all_the_same(world: World) -> None:
    world.pausing().begin(HOUR, "ada")
    world.record.broken = True
    with pytest.raises(LedgerError, match="The pause has ended"):
        world.pausing().stop("ada")
    assert not world.file.exists()
    assert world.load().mode == "enforce"


def test_nothing_is_paused_that_cannot_be_recorded(world: World) -> None:
    world.record.broken = True
    with pytest.raises(LedgerError):
        world.pausing().begin(HOUR, "ada")
    assert not world.file.exists()
    assert world.load().mode == "enforce"


def test_an_end_that_cannot_be_recorded_is_tried_again(world: World) -> None:
    world.pausing().begin(HOUR, "ada")
    world.clock.now += 2 * HOUR
    world.record.broken = True
    world.pausing().end_if_over()
    assert world.file.exists()
    assert world.load().mode == "enforce"
    world.record.broken = False
    world.pausing().end_if_over()
    assert not world.file.exists()


def test_the_floor_forbids(world: World) -> None:
    world.policy("system", 'mode = "enforce"\n')
    with pytest.raises(ConfigError, match="no pause lowers"):
        world.pausing().begin(HOUR, "ada")
    assert world.record.events == []
    world.file.write_bytes(Pause(world.clock.now, world.clock.now + HOUR, "eve").as_bytes())
    world.file.chmod(0o600)
    policies = world.load()
    assert policies.mode == "enforce"
    assert any("is ignored" in notice for notice in policies.notices)


def test_a_floor_of_observe_and_a_mode_of_off_stay(world: World) -> None:
    world.policy("system", 'mode = "observe"\n')
    world.pausing().begin(HOUR, "ada")
    assert world.load().mode == "observe"
    world.policy("system", "")
    world.policy("user", 'mode = "off"\n')
    assert world.load().mode == "off"


@pytest.mark.parametrize(
    ("system", "user", "allowed", "refused"),
    [
        ("", "", "8h", "8h1m"),
        ("", '[pause]\nmax = "12h"\n', "12h", "13h"),
        ('[pause]\nmax = "1h"\n', '[pause]\nmax = "12h"\n', "1h", "2h"),
        ('[pause]\nmax = "4h"\n', '[pause]\nmax = "1h"\n', "1h", "2h"),
        ('[pause]\nmax = "0"\n', "", "", "1m"),
    ],
)
def test_the_longest_pause(world: World, system: str, user: str, allowed: str, refused: str) -> None:
    world.policy("system", system)
    world.policy("user", user)
    if allowed:
        span = parse_duration(allowed)
        assert span
        world.pausing().begin(span, "ada")
        assert world.load().mode == "observe"
    span = parse_duration(refused)
    assert span
    with pytest.raises(InputError, match="Policy allows"):
        world.pausing().begin(span, "ada")


def test_a_project_has_no_say(world: World) -> None:
    (world.folder / "root" / "qguard.toml").write_text('[pause]\nmax = "24h"\n[kernel]\nhistory = "leave"\n')
    policies = world.load()
    assert policies.pause_max == (timedelta(hours=8), "default")
    assert policies.kernel_history == ("redact", "default")
    assert len([problem for problem in policies.problems if "does not count in a project file" in problem]) == 2


def put(world: World, since: timedelta, until: timedelta) -> None:
    now = world.clock.now
    world.file.write_bytes(Pause(now + since, now + until, "eve").as_bytes())
    world.file.chmod(0o600)


@pytest.mark.parametrize(
    ("since", "until", "why"),
    [
        (timedelta(), timedelta(days=4000), "longer than policy allows"),
        (timedelta(), timedelta(hours=9), "longer than policy allows"),
        (2 * HOUR, 3 * HOUR, "begins in the future"),
        (timedelta(days=-400), HOUR, "longer than policy allows"),
    ],
)
def test_times_that_cannot_be_are_refused(world: World, since: timedelta, until: timedelta, why: str) -> None:
    put(world, since, until)
    policies = world.load()
    assert policies.mode == "enforce"
    assert any(why in notice for notice in policies.notices)
    assert world.pausing().stop("ada")
    assert policies.notices == ()


def test_a_clock_set_back_does_not_prolong_a_pause(world: World) -> None:
    policies = world.load()
    world.pausing().begin(HOUR, "ada")
    world.clock.now -= timedelta(days=30)
    assert policies.mode == "enforce"
    world.clock.now += timedelta(days=30, minutes=5)
    assert policies.mode == "observe"


def test_a_limit_lowered_meanwhile_ends_a_pause(world: World) -> None:
    policies = world.load()
    world.pausing().begin(4 * HOUR, "ada")
    assert policies.mode == "observe"
    world.policy("system", '[pause]\nmax = "1h"\n')
    assert policies.mode == "enforce"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"version": 1}',
        b'{"version": 1, "since": 1, "until": 2, "by": ""}',
        b"[" * 9999,
    ],
)
def test_a_damaged_file_pauses_nothing(world: World, content: bytes) -> None:
    world.file.write_bytes(content)
    world.file.chmod(0o600)
    policies = world.load()
    assert policies.mode == "enforce"
    assert any("is damaged" in notice for notice in policies.notices)
    world.pausing().begin(HOUR, "ada")
    assert policies.mode == "observe"


def test_times_without_a_zone_count_as_they_are_read(world: World) -> None:
    told = {"version": 1, "since": "9999-12-31T23:59:59", "until": "9999-12-31T23:59:59.5", "by": ""}
    world.file.write_text(json.dumps(told))
    world.file.chmod(0o600)
    assert world.load().mode == "enforce"


def test_a_file_that_others_may_write_pauses_nothing(world: World) -> None:
    put(world, timedelta(), HOUR)
    world.file.chmod(0o666)
    policies = world.load()
    assert policies.mode == "enforce"
    assert any("others may read or write" in notice for notice in policies.notices)


def test_without_a_pause_file_no_pause_counts(world: World) -> None:
    put(world, timedelta(), HOUR)
    policies = settings.load(None, root=world.folder / "root", env={}, system_dirs=(), user_dir=world.folder / "user")
    assert policies.mode == "enforce"
    assert policies.pause_over is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30m", 1800), ("2h", 7200), ("1h30m", 5400), ("1d", 86400), ("90s", 90), ("0", 0), (" 1H 5m ", 3900)],
)
def test_spans(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "30", "m", "1.5h", "-1h", "1w", "h1", "1m1h", "99999999999h", "30 minutes"])
def test_no_spans(text: str) -> None:
    assert parse_duration(text) is None


def test_spans_are_shown_as_they_are_written() -> None:
    for text in ("30m", "1h30m", "1d", "0", "2d3h4m5s"):
        span = parse_duration(text)
        assert span is not None
        assert shown_duration(span) == text


@pytest.mark.parametrize(
    ("system", "user", "history"),
    [
        ("", "", "redact"),
        ("", "leave", "leave"),
        ("redact", "leave", "redact"),
        ("leave", "off", "off"),
        ("off", "leave", "off"),
        ("leave", "", "leave"),
    ],
)
def test_history_and_its_floor(world: World, system: str, user: str, history: str) -> None:
    for role, value in (("system", system), ("user", user)):
        world.policy(role, f'[kernel]\nhistory = "{value}"\n' if value else "")
    policies = world.load()
    assert policies.kernel_history[0] == history
    row = next(row for row in policies.effective("x").explain() if row.setting == "kernel.history")
    assert row.value == history
    assert row.floor == system


@pytest.mark.parametrize(
    "text",
    ['[kernel]\nhistory = "never"\n', "[kernel]\nhistory = 1\n", '[pause]\nmax = "soon"\n', "[pause]\nmax = 5\n",
     "pause = 1\n", '[pause]\nmaximum = "1h"\n', '[kernel]\nhistorie = "off"\n'],
)  # fmt: skip
def test_wrong_values_are_errors(world: World, text: str) -> None:
    world.policy("user", text)
    with pytest.raises(ConfigError):
        world.load()
