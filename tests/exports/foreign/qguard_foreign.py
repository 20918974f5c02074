"""Exporters as somebody else might write them, installed on the servers under test only."""

import json
import os
import time
from pathlib import Path

from nbconvert.exporters import Exporter, TemplateExporter

ELSEWHERE = "QGUARD_TEST_ELSEWHERE"
"""Names a file that some of them read a secret from."""


def _elsewhere() -> str:
    return Path(os.environ[ELSEWHERE]).read_text() if os.environ.get(ELSEWHERE) else ""


class _Foreign(Exporter):
    file_extension = ".txt"
    output_mimetype = "text/plain"

    def _text(self, nb):
        return json.dumps(nb)


class Text(_Foreign):
    """Overrides everything and calls no super."""

    def from_notebook_node(self, nb, resources=None, **kw):
        return self._text(nb), {**resources, "output_extension": ".txt"}


class Bytes(_Foreign):
    def from_notebook_node(self, nb, resources=None, **kw):
        return self._text(nb).encode("utf-16"), resources


class Nothing(_Foreign):
    def from_notebook_node(self, nb, resources=None, **kw):
        return None, resources


class Bare(_Foreign):
    """Returns the output alone, not a pair."""

    def from_notebook_node(self, nb, resources=None, **kw):
        return self._text(nb)


class Node(_Foreign):
    """Does not render at all, as nbconvert's own base class."""


class Raises(_Foreign):
    def from_notebook_node(self, nb, resources=None, **kw):
        raise ValueError(f"cannot convert {nb.cells}")


class Interrupts(_Foreign):
    def from_notebook_node(self, nb, resources=None, **kw):
        raise KeyboardInterrupt(f"cannot convert {nb.cells}")


class Posing(str):
    """A text that is another one when it is written."""

    def encode(self, *args):
        return _elsewhere().encode()


class Poses(_Foreign):
    def from_notebook_node(self, nb, resources=None, **kw):
        return Posing("nothing"), resources


class Suffixes(_Foreign):
    def from_notebook_node(self, nb, resources=None, **kw):
        return "nothing", {**resources, "output_extension": "." + _elsewhere()}


class Exits(_Foreign):
    def from_notebook_node(self, nb, resources=None, **kw):
        raise SystemExit(f"cannot convert {nb.cells}")


class Broken(_Foreign):
    def __init__(self, **kw):
        raise RuntimeError("cannot be made")


class Mutates(_Foreign):
    def from_notebook_node(self, nb, resources=None, **kw):
        text = self._text(nb)
        nb.cells.clear()
        nb.metadata.clear()
        return text, resources


class Writes(_Foreign):
    """Writes a file beside the notebook by itself."""

    def from_notebook_node(self, nb, resources=None, **kw):
        (Path(resources["metadata"]["path"]) / "written.txt").write_text(self._text(nb))
        return "done", resources


class Fetches(_Foreign):
    """Puts a secret from elsewhere into its output and into an extracted file."""

    def from_notebook_node(self, nb, resources=None, **kw):
        text = f"key {_elsewhere()}\n"
        return text, {**resources, "output_extension": ".txt", "outputs": {"a.svg": f"<svg>{text}</svg>".encode()}}


class Packs(_Foreign):
    """Puts a secret from elsewhere where it cannot be cut out."""

    def from_notebook_node(self, nb, resources=None, **kw):
        import gzip

        return gzip.compress(f"key {_elsewhere()}\n".encode()), {**resources, "output_extension": ".gz"}


class Names(_Foreign):
    def from_notebook_node(self, nb, resources=None, **kw):
        return "text", {"output_extension": ".txt", "outputs": {f"{_elsewhere()}.png": b"nothing"}}


class Odd(_Foreign):
    def from_notebook_node(self, nb, resources=None, **kw):
        return "text", {"output_extension": ".txt", "outputs": {"a": 3}}


class Trap(_Foreign):
    """Gives back resources that blow up, quoting the notebook, as soon as somebody looks into them."""

    def from_notebook_node(self, nb, resources=None, **kw):
        class Files(dict):
            def items(self):
                raise RuntimeError(f"cannot list {nb.cells} {_elsewhere()}")

        return "text", {"output_extension": ".txt", "outputs": Files(a=b"x")}


class Slow(_Foreign):
    def from_notebook_node(self, nb, resources=None, **kw):
        time.sleep(3600)


class Named(TemplateExporter):
    """Takes its template from a place that does not exist."""

    template_name = "no_such_template"
