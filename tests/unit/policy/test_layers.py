"""Which setting wins (contract §8)."""

from __future__ import annotations

import pytest

from jupyter_qguard.errors import ConfigError
from jupyter_qguard.policy.decide import decide
from jupyter_qguard.policy.model import Action, Context
from jupyter_qguard.scan.finding import Unchecked
from jupyter_qguard.settings.policies import Policy
from jupyter_qguard.settings.stack import Query, Stack
from tests.unit.policy.policy_world import World, finding

REASONED = 'reason = "teaching keys"\nowner = "platform@lab.example"\n'


def test_without_a_file_the_defaults_hold_and_are_named(world: World) -> None:
    assert world.judge() == (Action.REDACT, "content.source (default)")
    assert world.judge(content="text", path="a.py") == (Action.WARN, "content.text (default)")
    assert world.judge("upload", "text", "a.py") == (Action.BLOCK, "doors.upload.text (default)")
    entropy = world.judge(rule="high-entropy-string", tier="generic")
    assert entropy == (Action.WARN, "rules.high-entropy-string (default for entropy and keyword rules)")


def test_paths_beat_rules_beat_doors_beat_content(world: World) -> None:
    text = '[content]\nsource = "block"\n'
    world.write("user", text)
    assert world.judge() == (Action.BLOCK, "content.source (user qguard.toml)")
    text += '[doors]\nsave = { source = "redact" }\n'
    world.write("user", text)
    assert world.judge() == (Action.REDACT, "doors.save.source (user qguard.toml)")
    assert world.judge("export")[0] is Action.BLOCK
    text += '[rules]\ngithub-token = "hold"\n'
    world.write("user", text)
    assert world.judge() == (Action.HOLD, "rules.github-token (user qguard.toml)")
    assert world.judge(rule="json-web-token")[0] is Action.REDACT
    text += f'[[paths]]\nmatch = "courses/**"\nsource = "warn"\n{REASONED}'
    world.write("user", text)
    assert world.judge() == (Action.HOLD, "rules.github-token (user qguard.toml)")
    assert world.judge(path="courses/a/b.ipynb") == (Action.WARN, "paths[courses/**].source (user qguard.toml)")


def test_inside_an_entry_rules_beat_doors_beat_content_and_the_last_match_wins(world: World) -> None:
    world.write(
        "user",
        f'[[paths]]\nmatch = "a/**"\nsource = "warn"\ndoors = {{ export = {{ source = "block" }} }}\n'
        f'rules = {{ json-web-token = "allow" }}\n{REASONED}[[paths]]\nmatch = "*.ipynb"\noutput = "block"\n'
        f'[[paths]]\nmatch = "a/last.ipynb"\nsource = "allow"\n{REASONED}',
    )
    assert world.judge(path="a/x.ipynb")[0] is Action.WARN
    assert world.judge("export", path="a/x.ipynb")[0] is Action.BLOCK
    assert world.judge("export", path="a/x.ipynb", rule="json-web-token")[0] is Action.ALLOW
    assert world.judge(path="a/x.ipynb", content="output")[0] is Action.BLOCK
    assert world.judge(path="a/last.ipynb", rule="json-web-token")[0] is Action.ALLOW


def test_a_user_file_may_lower_but_not_below_the_floor(world: World) -> None:
    world.write("user", '[content]\nsource = "allow"\noutput = "allow"\n')
    assert world.judge()[0] is Action.ALLOW
    world.write("system", '[content]\nsource = "block"\n')
    assert world.judge() == (Action.BLOCK, "content.source (floor, system qguard.toml)")
    assert world.judge(content="output")[0] is Action.ALLOW


def test_a_system_file_also_gives_values_and_exempts_by_its_own_paths(world: World) -> None:
    world.write("system", f'[content]\noutput = "warn"\n[[paths]]\nmatch = "courses/**"\nsource = "allow"\n{REASONED}')
    assert world.judge(content="output") == (Action.WARN, "content.output (floor, system qguard.toml)")
    assert world.judge(path="courses/a.ipynb")[0] is Action.ALLOW


def test_no_path_entry_of_a_user_or_project_goes_below_the_floor(world: World) -> None:
    world.write("system", '[rules]\ngithub-token = "redact"\n')
    entry = f'[[paths]]\nmatch = "**"\nsource = "allow"\nrules = {{ github-token = "allow" }}\n{REASONED}'
    world.write("user", entry)
    world.write("root", entry)
    assert world.judge()[0] is Action.REDACT
    assert world.judge(rule="json-web-token")[0] is Action.ALLOW


def test_a_floor_rule_of_redact_keeps_its_meaning_for_plain_files(world: World) -> None:
    world.write("system", '[rules]\ngithub-token = "redact"\n')
    world.write("user", '[rules]\ngithub-token = "allow"\n[content]\ntext = "allow"\n[doors]\nupload={text="allow"}\n')
    assert world.judge(content="text", path="a.py")[0] is Action.WARN
    assert world.judge("upload", "text", "a.py")[0] is Action.BLOCK


def test_a_project_tightens_and_weakens_only_with_reason_and_owner(world: World) -> None:
    world.write("root", '[content]\nsource = "block"\noutput = "allow"\n[rules]\njson-web-token = "warn"\n')
    assert world.judge() == (Action.BLOCK, "content.source (project qguard.toml)")
    assert world.judge(content="output")[0] is Action.REDACT
    assert world.judge(rule="json-web-token", content="output")[0] is Action.REDACT
    world.write("root", f'[[paths]]\nmatch = "x/*"\nsource = "allow"\n{REASONED}')
    assert world.judge(path="x/a.ipynb") == (Action.ALLOW, "paths[x/*].source (project qguard.toml)")
    assert world.judge(path="y/a.ipynb")[0] is Action.REDACT


def test_an_entry_that_ran_out_still_tightens(world: World) -> None:
    world.write(
        "root", f'[[paths]]\nmatch = "**"\nsource = "allow"\noutput = "block"\n{REASONED}expires = 2026-06-02\n'
    )
    policies = world.load()
    assert world.judge(policies=policies)[0] is Action.ALLOW
    world.now = world.now.replace(day=2, hour=0)
    assert world.judge(policies=policies)[0] is Action.REDACT
    assert world.judge(policies=policies, content="output")[0] is Action.BLOCK
    assert "ran out" in policies.notices[0]
    assert policies.problems == ()


def test_a_tightening_entry_needs_no_reason(world: World) -> None:
    world.write("root", '[[paths]]\nmatch = "prod/**"\nsource = "block"\n')
    assert world.judge(path="prod/a.ipynb")[0] is Action.BLOCK


def test_rule_actions_on_plain_files(world: World) -> None:
    """`redact` means the kind's action and never less than the door's; `hold` refuses."""
    world.write("user", '[rules]\ngithub-token = "redact"\njson-web-token = "hold"\nibm-cloud-api-key = "warn"\n')
    assert world.judge("save", "text", "a.py") == (Action.WARN, "rules.github-token (user qguard.toml)")
    assert world.judge("upload", "text", "a.py")[0] is Action.BLOCK
    assert world.judge("save", "text", "a.py", "json-web-token")[0] is Action.BLOCK
    assert world.judge("upload", "text", "a.py", "ibm-cloud-api-key")[0] is Action.WARN
    world.write("user", '[rules]\ngithub-token = "redact"\n[content]\ntext = "block"\n[doors]\nupload={text="warn"}\n')
    assert world.judge("upload", "text", "a.py")[0] is Action.BLOCK
    assert world.judge("save", "text", "a.py")[0] is Action.BLOCK
    assert world.judge("upload", "text", "a.py", "json-web-token")[0] is Action.WARN


def test_what_cannot_be_cut_out(world: World) -> None:
    for door in ("save", "upload", "commit"):
        for content in ("text", "opaque"):
            assert world.judge(door, content, "a.zip", cut=False)[0] is Action.BLOCK
    for door in ("copy", "rename", "checkpoint", "restore", "download", "collaborate"):
        assert world.judge(door, "opaque", "a.zip", cut=False)[0] is Action.WARN
    assert world.judge("save", "output", cut=False)[0] is Action.REDACT
    assert world.judge("save", "opaque", cut=False, kind="notebook")[0] is Action.REDACT
    assert world.judge("save", "opaque", "a.zip", tier="generic", cut=False)[0] is Action.WARN
    world.write("user", f'[[paths]]\nmatch = "*.zip"\nopaque = "allow"\n{REASONED}')
    assert world.judge("save", "opaque", "a.zip", cut=False)[0] is Action.ALLOW


def test_a_notebook_that_is_none_is_refused_if_anything_is_found(world: World) -> None:
    assert world.judge("save", "text", "a.ipynb") == (Action.BLOCK, "notebook that is none at save (default)")
    assert world.judge("save", "text", "a.ipynb", tier="generic")[0] is Action.WARN
    assert world.judge("download", "text", "a.ipynb")[0] is Action.BLOCK
    assert world.judge("collaborate", "text", "a.ipynb")[0] is Action.WARN


def test_unchecked_parts_are_judged_as_opaque(world: World) -> None:
    part = Unchecked("cells[0].outputs[0]", "reason")
    large = Unchecked(None, "reason", over_budget=True)
    policy = world.load().effective("a.ipynb")

    def actions(door: str, kind: str = "notebook") -> list[Action]:
        return [action for _, action in decide([], [part, large], Context(door, "a.ipynb", kind), policy).unchecked]  # type: ignore[arg-type]

    assert actions("save") == [Action.WARN, Action.WARN]
    assert actions("export") == [Action.WARN, Action.BLOCK]
    assert actions("export", "opaque") == [Action.WARN, Action.WARN]
    world.write("user", '[content]\nopaque = "block"\n')
    policy = world.load().effective("a.ipynb")
    assert actions("save") == [Action.BLOCK, Action.BLOCK]


def test_entropy_rules_never_inherit_but_may_be_named(world: World) -> None:
    world.write("user", '[content]\nsource = "block"\noutput = "allow"\n')
    entropy = {"rule": "high-entropy-string", "tier": "generic"}
    assert world.judge(**entropy)[0] is Action.WARN  # type: ignore[arg-type]
    assert world.judge(content="output", **entropy)[0] is Action.ALLOW  # type: ignore[arg-type]
    world.write("user", '[rules]\nhigh-entropy-string = "redact"\n')
    assert world.judge(**entropy)[0] is Action.REDACT  # type: ignore[arg-type]


def test_a_decision_is_as_strict_as_its_strictest_part_and_carries_the_mode(world: World) -> None:
    world.env["QGUARD_MODE"] = "observe"
    world.write("user", '[rules]\njson-web-token = "hold"\n')
    policy = world.load().effective("a.ipynb")
    some = [finding("source"), finding("source", "json-web-token"), finding("output", "high-entropy-string", "generic")]
    decision = decide(some, [Unchecked("x", "y")], Context("save", "a.ipynb", "notebook"), policy)
    assert [str(one.action) for one in decision.judged] == ["redact", "hold", "warn"]
    assert (decision.action, decision.mode, decision.code, decision.acts) == (Action.HOLD, "observe", "held", False)
    nothing = decide([], [], Context("save", "a.ipynb", "notebook"), policy)
    assert (nothing.action, nothing.code) == (Action.ALLOW, "")


def test_an_empty_policy_is_an_error_even_for_nothing_found(world: World) -> None:
    good = world.load().effective("a.ipynb")
    empty = Policy(Stack((), None, "enforce", "refuse"), "a.ipynb", world.now, good.choice)
    with pytest.raises(ConfigError):
        decide([], [], Context("save", "a.ipynb", "notebook"), empty)
    with pytest.raises(ConfigError):
        empty.judge(Query("save", "source"))
