"""Events: JSON-able, typed, one byte form, no room for a secret's text."""

import dataclasses
import json
from typing import Any

import pytest

from jupyter_qguard.errors import LedgerError
from jupyter_qguard.ledger import Event, stamp


def event(**changes: Any) -> Event:
    plain: dict[str, Any] = {
        "time": stamp(1_800_000_000.25),
        "door": "save",
        "path": "a/b.ipynb",
        "action": "redact",
        "mode": "enforce",
        "kind": "notebook",
        "findings": [
            {"rule": "ibm-cloud-api-key", "action": "redact", "id8": "3f9a0b1c", "cell_index": 3, "cut": True}
        ],
        "unchecked": [{"field": "cells[7].outputs[0]", "reason": "not an image this version can read"}],
    }
    return Event(**{**plain, **changes})


def test_round_trip_and_canonical_form() -> None:
    one = event(path="é\udce9.ipynb")
    body = one.canonical()
    assert Event.from_canonical(body) == one
    assert body.isascii()
    assert body == json.dumps(json.loads(body), sort_keys=True, separators=(",", ":")).encode()
    assert json.loads(body)["schema"] == 1


def test_times_sort_as_text() -> None:
    assert stamp(1_800_000_000) == "2027-01-15T08:00:00.000000Z"
    assert stamp(999_999_999) < stamp(1_000_000_000.000001) < stamp(1_000_000_001)


@pytest.mark.parametrize(
    "changes",
    [
        {"path": None},
        {"time": 12.5},
        {"time": "2027-01-15 08:00"},
        {"schema": "1"},
        {"findings": "x"},
        {"findings": ["x"]},
        {"findings": [{"rule": "r"}]},
        {"findings": [{"rule": "r", "action": "warn", "text": "the secret itself"}]},
        {"findings": [{"rule": "r", "action": "warn", "line": True}]},
        {"findings": [{"rule": "r", "action": "warn", "line": 1.0}]},
        {"findings": [{"rule": "r", "action": "warn", "id8": "not hex!"}]},
        {"unchecked": [{"field": None}]},
    ],
)
def test_anything_else_is_refused_without_quoting_it(changes: dict[str, Any]) -> None:
    with pytest.raises(LedgerError) as caught:
        event(**changes)
    assert "the secret itself" not in repr(caught.value) + caught.value.sentence()


def test_later_changes_do_not_reach_the_record() -> None:
    finding: dict[str, Any] = {"rule": "r", "action": "warn"}
    one = event(findings=[finding])
    finding["rule"] = "other"
    assert one.findings[0]["rule"] == "r"
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.path = "x"  # type: ignore[misc]


def test_content_cannot_stop_its_own_record() -> None:
    one = event(note="n" * 100_000, findings=[{"rule": "r", "action": "warn", "field": "metadata." + "k" * 100_000}])
    assert len(one.canonical()) < 30_000


def test_a_later_version_is_readable_and_damage_is_not() -> None:
    plain = event().as_dict() | {"schema": 2, "invented_later": [1]}
    assert Event.from_canonical(json.dumps(plain).encode()).schema == 2
    for damaged in (b"", b"[]", b"{}", b"\xff", b'{"time":1}'):
        with pytest.raises(LedgerError):
            Event.from_canonical(damaged)
