"""Loaded by the servers under test only: makes the scanner throw or hang while a flag file says so."""

import os
import time
from pathlib import Path

_FLAGS = os.environ.get("QGUARD_TEST_TROUBLE")


def _spoil(scan):
    def spoiled(content, *arguments, **named):
        flags = Path(_FLAGS)
        if (flags / "throw").exists():
            raise RuntimeError(f"the scanner choked on {content!r}")
        if (flags / "recurse").exists():
            raise RecursionError(f"the scanner choked on {content!r}")
        if (flags / "memory").exists():
            raise MemoryError(f"the scanner choked on {content!r}")
        if (flags / "hang").exists():
            time.sleep(3600)
        return scan(content, *arguments, **named)

    return spoiled


if _FLAGS:
    from jupyter_qguard.scan import scanner, stream

    for _name in ("scan_notebook", "scan_text", "scan_bytes"):
        setattr(scanner, _name, _spoil(getattr(scanner, _name)))
    stream.StreamScan.feed = _spoil(stream.StreamScan.feed)
