"""What an exporter made of a notebook is judged like an output: cut where text can be cut, else refused."""

from __future__ import annotations

import gzip
import io
import zipfile

from jupyter_qguard.guard import Request
from jupyter_qguard.policy.model import Action
from jupyter_qguard.scan import pages
from tests.guard.test_guard import make, token  # noqa: F401  (a fixture)

EXPORT = Request(door="export", path="lab/a.ipynb")


def test_clean_html_is_the_very_object(make):  # noqa: F811
    page = "<html><body>hello</body></html>"
    assert make().check_rendered(page, "a.html", EXPORT).content is page


def test_a_secret_in_html_is_cut_and_recorded_under_the_notebook(make):  # noqa: F811
    guard, secret = make(), token()
    page = f"<html><body><pre>dwave {secret}</pre></body></html>"
    verdict = guard.check_rendered(page, "a.html", EXPORT)
    assert verdict.changed
    assert not verdict.refused
    assert secret not in verdict.content
    assert verdict.content.endswith("</pre></body></html>")
    assert [(event.path, event.door, event.action) for event in guard.ledger.events] == [
        ("lab/a.ipynb", "export", "redact")
    ]


def test_what_unpacks_to_too_much_is_let_through_on_record(make):  # noqa: F811
    """The notebook itself was within its budget; a page repeats each picture in several readings."""
    guard = make()
    packed = gzip.compress(b"nothing here " * 20_000_000)
    verdict = guard.check_rendered(packed, "a.gz", EXPORT)
    assert not verdict.refused
    assert verdict.unchecked
    assert [event.action for event in guard.ledger.events] == ["warn"]


def test_a_secret_that_cannot_be_cut_out_refuses_the_export(make):  # noqa: F811
    guard, secret = make(), token()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inside.txt", f"token = {secret}\n")
    verdict = guard.check_rendered(packed.getvalue(), "a.zip", EXPORT)
    assert verdict.refused
    assert verdict.status == 422
    assert verdict.action is Action.BLOCK
    assert secret not in verdict.message + verdict.hint


def page(style: str, body: str = "hello") -> str:
    return f"<html><head><style type='text/css'>{style}</style></head><body>{body}</body></html>"


SHEET = ".a { color: red; margin: 0 auto }\n" * 400


def test_a_known_style_sheet_hides_nothing_beside_it(make):  # noqa: F811
    guard, secret = make(), token()
    assert not guard.check_rendered(page(SHEET), "a.html", EXPORT).changed
    verdict = guard.check_rendered(page(SHEET, f"dwave {secret}"), "a.html", EXPORT)
    assert verdict.content == page(SHEET, "dwave " + verdict.content.split("dwave ")[1].split("<")[0])
    assert secret not in verdict.content
    assert verdict.findings[0]["line"] == SHEET.count("\n") + 1, "places are those of the whole page"


def test_a_style_sheet_with_a_secret_is_never_known(make):  # noqa: F811
    guard, secret = make(), token()
    bad = SHEET + f"/* dwave {secret} */"
    for _ in range(2):
        guard.check_rendered(page(SHEET), "a.html", EXPORT)
        assert secret not in guard.check_rendered(page(bad), "a.html", EXPORT).content


def test_a_style_sheet_is_scanned_once(make, monkeypatch):  # noqa: F811
    sizes = []
    real = pages.scan_text
    monkeypatch.setattr(pages, "scan_text", lambda text, **more: sizes.append(len(text)) or real(text, **more))
    guard = make()
    for body in ("one", "two"):
        guard.check_rendered(page(SHEET, body), "a.html", EXPORT)
    assert sizes[0] > len(SHEET) > 10_000 > sizes[1]
