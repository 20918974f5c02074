"""Parts of the server face that need no server."""

from __future__ import annotations

import copy
import logging
from pathlib import Path

import nbformat
import pytest
from tornado.web import HTTPError

from jupyter_qguard.server.doors.disk import Footprint, same_notebook
from jupyter_qguard.server.doors.files import place, swap_in
from jupyter_qguard.server.doors.hooks import run_hooks
from jupyter_qguard.server.doors.model import decode_base64, encode_base64
from jupyter_qguard.server.doors.upload import LAST, Uploads
from jupyter_qguard.server.gate import Bucket
from jupyter_qguard.server.log_filter import SecretFilter
from jupyter_qguard.server.refusal import Refusal, clean_error

TEXT = "what the notebook says"


def _notebook() -> dict:
    cell = {"cell_type": "code", "id": "a", "metadata": {"trusted": True}, "source": "1", "outputs": []}
    return {"cells": [cell], "metadata": {"x": {"trusted": 1}}, "nbformat": 4, "nbformat_minor": 5}


def test_same_notebook_lets_only_trust_flags_differ() -> None:
    judged = _notebook()
    written = nbformat.from_dict(copy.deepcopy(judged))
    assert same_notebook(written, judged)
    del written["cells"][0]["metadata"]["trusted"]
    assert same_notebook(written, judged)
    for change in (
        lambda nb: nb["cells"][0].update(source="2"),
        lambda nb: nb["cells"][0]["metadata"].update(extra=1),
        lambda nb: nb["cells"][0]["outputs"].append({}),
        lambda nb: nb["metadata"].update(y=1),
        lambda nb: nb["metadata"]["x"].pop("trusted"),
        lambda nb: nb["cells"].append({}),
        lambda nb: nb.update(more=1),
    ):
        other = copy.deepcopy(written)
        change(other)
        assert not same_notebook(other, judged)


def test_uploads_take_chunks_in_order_only() -> None:
    now = 0.0
    uploads = Uploads(quota=10, idle=60, clock=lambda: now)
    first = uploads.take("a", 1, None)
    with pytest.raises(Refusal):
        uploads.take("a", 2, None)  # the first is still being received
    first.busy, first.next = False, 2
    assert uploads.take("a", 2, None) is first
    first.busy, first.next = False, 3
    with pytest.raises(Refusal):
        uploads.take("a", 2, None)
    assert first.spool.closed
    for chunk in (LAST, 3):
        with pytest.raises(Refusal):
            uploads.take("a", chunk, None)
    late = uploads.take("b", 1, None)
    late.busy, late.size = False, 4
    assert uploads.room() == 6
    now = 61.0
    assert uploads.expire() == 0
    assert late.spool.closed
    assert uploads.room() == 10


def test_a_spool_has_no_name_and_no_readers(tmp_path: Path) -> None:
    upload = Uploads(quota=10, idle=60).take("a", 1, str(tmp_path))
    upload.spool.write(b"x")
    assert list(tmp_path.iterdir()) == []
    import os

    assert os.fstat(upload.spool.fileno()).st_mode & 0o077 == 0
    upload.close()


def test_base64_is_decoded_as_the_server_does() -> None:
    data = bytes(range(256)) * 3
    assert decode_base64(encode_base64(data)) == data
    assert decode_base64(encode_base64(data).replace("\n", " *\n")) == data
    for bad in ("A", "\u00e9"):
        with pytest.raises(Refusal):
            decode_base64(bad)


def test_place_never_overwrites_and_swap_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "a"
    place(target, b"1", like=None)
    with pytest.raises(FileExistsError):
        place(target, b"2", like=None)
    assert target.read_bytes() == b"1"
    swap_in(target, b"3", like=target)
    assert target.read_bytes() == b"3"
    with pytest.raises(OSError):  # noqa: PT011
        swap_in(tmp_path / "no" / "a", b"4", like=None)
    assert [file.name for file in tmp_path.iterdir()] == ["a"]


def test_footprint_takes_away_what_a_failed_write_left(tmp_path: Path) -> None:
    new, old = tmp_path / "new", tmp_path / "old"
    old.write_text("old")
    prints = [Footprint(str(new)), Footprint(str(old))]
    new.write_text("half")
    (tmp_path / ".~old").write_text("half")
    for footprint in prints:
        footprint.tidy()
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"old": "old"}


def test_errors_of_the_platform_lose_their_quotations() -> None:
    from_io = HTTPError(500, f"Unexpected error while saving file: a {TEXT}")
    from_io.__cause__ = OSError(28, TEXT)
    cases = {
        400: HTTPError(400, f"Unreadable Notebook: /a/b NotJSONError({TEXT!r})"),
        507: from_io,
        500: HTTPError(500, f"Unexpected error while saving file: a {TEXT}"),
    }
    for status, error in cases.items():
        clean = clean_error(error)
        assert clean.status_code == status
        assert TEXT not in str(clean)
        assert TEXT not in (clean.log_message or "")
    kept = HTTPError(409, "File already exists: a")
    assert clean_error(kept) is kept


def test_a_refusal_keeps_percent_signs_for_people() -> None:
    refusal = Refusal(422, "100% sure")
    assert refusal.text == "100% sure"
    assert "%" not in (refusal.log_message or "")


def test_the_log_filter_takes_quotations_out() -> None:
    try:
        raise ValueError(TEXT)
    except ValueError as caught:
        error = caught
    info = (ValueError, error, error.__traceback__)
    records = [
        ("Notebook JSON is invalid: %s", (error,), None),
        ("Bad JSON: %r", (TEXT,), None),
        ("Error while saving file: %s %s", ("a.ipynb", error), info),
        ("Pre-save hook %s failed on %s", ("hook", "a.ipynb"), info),
        (f"400 GET /x: Unreadable Notebook: /srv/a.ipynb NotJSONError({TEXT!r})", (), None),
    ]
    for message, arguments, exc_info in records:
        record = logging.LogRecord("x", logging.ERROR, "f", 1, message, arguments, exc_info)
        assert SecretFilter().filter(record)
        assert TEXT not in logging.Formatter().format(record)
    other = logging.LogRecord("x", logging.INFO, "f", 1, "Saving file at %s", ("a.ipynb",), None)
    assert SecretFilter().filter(other)
    assert other.getMessage() == "Saving file at a.ipynb"


class _Manager:
    """As much of a contents manager as hooks need."""

    pre_save_hook = None
    qguard_base = object

    def __init__(self, *hooks) -> None:
        self._pre_save_hooks = hooks
        self.log = logging.getLogger("hooks")


def test_hooks_change_refuse_or_fail_without_being_quoted(caplog: pytest.LogCaptureFixture) -> None:
    def changes(model, **_) -> None:
        model["content"] = "changed"

    def fails(**_) -> None:
        raise ValueError(TEXT)

    async def waits(model, **_) -> None:
        model["content"] = "never"

    def refuses(**_) -> None:
        raise HTTPError(403)

    model = {"content": "as it was"}
    run_hooks(_Manager(fails, waits, changes), model, "a")
    assert model == {"content": "changed"}
    assert TEXT not in caplog.text
    assert "ValueError" in caplog.text
    with pytest.raises(HTTPError):
        run_hooks(_Manager(refuses), model, "a")


def test_a_bucket_refills() -> None:
    now = 0.0
    bucket = Bucket(burst=2, per_second=1, clock=lambda: now)
    assert [bucket.take() for _ in range(3)] == [True, True, False]
    now = 1.0
    assert [bucket.take() for _ in range(2)] == [True, False]
