"""Every value says where it comes from and who may change it."""

from __future__ import annotations

from jupyter_qguard.settings import Row
from jupyter_qguard.settings.explain import ADMIN, ANYONE
from tests.unit.policy.policy_world import World


def rows(world: World, path: str = "a.ipynb") -> dict[str, Row]:
    found = world.load().effective(path).explain()
    assert len({row.setting for row in found}) == len(found)
    return {row.setting: row for row in found}


def test_without_a_file_every_row_is_a_default(world: World) -> None:
    found = rows(world)
    assert [*found] == [
        "mode",
        "on_failure",
        "pause.max",
        "kernel.history",
        "content.source",
        "content.output",
        "content.metadata",
        "content.text",
        "content.opaque",
        "doors.upload.text",
        "doors.commit.text",
        "exceptions.baseline",
        "exceptions.pragma",
        "exceptions.up_to",
    ]
    assert {row.where for row in found.values()} == {"default"}
    assert found["content.text"] == Row("content.text", "warn", "default", None, 0, "", ANYONE)


def test_rows_name_file_line_floor_and_who(world: World) -> None:
    system = world.write("system", 'mode = "enforce"\non_failure = "refuse"\n[content]\nsource = "redact"\n')
    user = world.write("user", '[content]\nsource = "allow"\n\noutput = "warn"\n[rules]\njson-web-token = "redact"\n')
    project = world.write(
        "root",
        '[content]\nmetadata = "block"\noutput = "allow"\n[doors]\nexport = { source = "block" }\n'
        '[[paths]]\nmatch = "courses/**"\ntext = "allow"\nreason = "teaching"\nowner = "me"\nexpires = 2026-01-01\n'
        'rules = { json-web-token = "block" }\ndoors = { save = { text = "warn" } }\n',
    )
    found = rows(world, "courses/a.py")
    assert found["mode"].who == found["on_failure"].who == ADMIN
    assert (found["mode"].floor, found["mode"].line, found["mode"].file) == ("enforce", 1, system)
    assert (found["on_failure"].floor, found["on_failure"].where) == ("refuse", "system qguard.toml:2")
    source = found["content.source"]
    assert (source.value, source.where, source.floor, source.who) == ("redact", "system qguard.toml:4", "redact", ADMIN)
    output = found["content.output"]
    assert (output.value, output.file, output.line, output.who) == ("warn", user, 4, ANYONE)
    assert output.note == "project qguard.toml says allow, which lowers nothing"
    assert (found["content.metadata"].file, found["content.metadata"].line) == (project, 2)
    assert (found["doors.export.source"].value, found["doors.export.source"].line) == ("block", 5)
    assert (found["rules.json-web-token"].value, found["rules.json-web-token"].line) == ("redact", 6)
    text = found["paths[courses/**].text"]
    assert (text.value, text.line, text.note) == (
        "allow",
        8,
        "matches this file; ran out on 2026-01-01, so it only tightens",
    )
    assert found["paths[courses/**].rules.json-web-token"].value == "block"
    assert found["paths[courses/**].doors.save.text"].line == 13
    assert rows(world, "b.py")["paths[courses/**].text"].note.startswith("does not match this file")


def test_the_table_is_what_decisions_follow(world: World) -> None:
    world.write("system", '[content]\nmetadata = "block"\n')
    policies = world.load()
    for path in ("a.ipynb", "a.py"):
        for door, content, verdict in policies.effective(path).table():
            kind = "notebook" if content in ("source", "output", "metadata") else None
            assert world.judge(door, content, "a.ipynb" if kind else "a.py", policies=policies) == (  # type: ignore[arg-type]
                verdict.action,
                verdict.because,
            )
    metadata = next(v for door, content, v in policies.effective("a.ipynb").table() if content == "metadata")
    assert (metadata.because, metadata.line) == ("content.metadata (floor, system qguard.toml)", 2)
