"""Fakes that behave like keyrings, and a clock that moves when told."""

import secrets
from collections.abc import Callable, Iterator, Sequence

import pytest

from jupyter_qguard.broker.backends import os_keyring
from jupyter_qguard.broker.kept import KeptItem
from jupyter_qguard.broker.records import Record
from jupyter_qguard.errors import KeepError
from jupyter_qguard.secret import Secret


class Clock:
    """Seconds since 1970, standing still."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def pass_days(self, days: float) -> None:
        self.now += days * 86400


class MemoryBackend:
    """A home that follows the protocol and can be told to refuse."""

    name = "keyring"

    def __init__(self) -> None:
        self.values: dict[str, Secret] = {}
        self.reason: str | None = None
        self.refuses = False

    def why_not(self) -> str | None:
        return self.reason

    def put(self, entries: Sequence[tuple[Record, Secret]]) -> list[str]:
        if self.refuses or self.reason:
            raise KeepError("The keyring refused.")
        boxes = [secrets.token_hex(4) for _ in entries]
        self.values |= {box: text for box, (_, text) in zip(boxes, entries, strict=True)}
        return boxes

    def get(self, record: Record) -> Secret:
        if self.refuses or record.box not in self.values:
            raise KeepError("The keyring refused.")
        return self.values[record.box]

    def drop(self, records: Sequence[Record]) -> None:
        for record in records:
            self.values.pop(record.box, None)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def memory() -> MemoryBackend:
    return MemoryBackend()


@pytest.fixture
def item() -> Callable[..., KeptItem]:
    def make(text: str | None = None, **changes: object) -> KeptItem:
        plain: dict[str, object] = {
            "id8": secrets.token_hex(4),
            "rule": "ibm-cloud-api-key",
            "path": "work/a.ipynb",
            "cell_id": "c1",
            "text": Secret(text if text is not None else secrets.token_urlsafe(33)),
        }
        return KeptItem(**{**plain, **changes})  # type: ignore[arg-type]

    return make


@pytest.fixture(autouse=True)
def fresh_verdict() -> Iterator[None]:
    os_keyring.forget_verdict()
    yield
    os_keyring.forget_verdict()
