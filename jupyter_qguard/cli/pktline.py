"""git's packet lines: four hexadecimal digits of length, then that many bytes less four; ``0000`` ends a list.

Source: gitprotocol-common(5) and "Long Running Filter Process" in gitattributes(5).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from jupyter_qguard.errors import InputError

MOST = 65516
"""Bytes of data in one packet."""
_FOREIGN = InputError("What came in is not what git sends to a filter.", "This command is for git; see docs/git.md.")


def packets(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the packets of one list, up to its end.

    Raises EOFError where git has closed, InputError for what are no packets.
    """
    while True:
        head = stream.read(4)
        if not head:
            raise EOFError
        try:
            length = int(head, 16)
        except ValueError:
            raise _FOREIGN from None
        if length == 0:
            return
        data = stream.read(length - 4) if length > 4 else b""
        if length < 4 or len(data) != length - 4:
            raise _FOREIGN
        yield data


def lines(stream: BinaryIO) -> list[bytes]:
    """Return a list of text packets without their line ends."""
    return [packet.removesuffix(b"\n") for packet in packets(stream)]


def write_lines(stream: BinaryIO, *texts: bytes) -> None:
    """Write a list of text packets and its end."""
    for text in texts:
        stream.write(b"%04x%s\n" % (len(text) + 5, text))
    stream.write(b"0000")
    stream.flush()


def write_data(stream: BinaryIO, data: bytes) -> None:
    """Write bytes as a list of packets and its end."""
    view = memoryview(data)
    for start in range(0, len(data), MOST):
        part = view[start : start + MOST]
        stream.write(b"%04x" % (len(part) + 4))
        stream.write(part)
    stream.write(b"0000")
    stream.flush()
