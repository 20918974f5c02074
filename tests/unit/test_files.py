"""Private files: what stands in their place must not hold anybody up."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jupyter_qguard import files


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    pipe = tmp_path / "pause.json"
    os.mkfifo(pipe, 0o600)
    with pytest.raises(OSError, match="not a regular file"):
        files.read_private(pipe, 100)


def test_content_comes_whole_or_one_byte_too_long(tmp_path: Path) -> None:
    path = tmp_path / "x"
    files.write_private(path, b"12345")
    assert files.read_private(path, 5) == b"12345"
    assert files.read_private(path, 3) == b"1234"
