"""Laws that hold for every policy, whatever its files say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_qguard.settings.glob import compile_glob
from jupyter_qguard.settings.policy_file import DEFAULTS, PathEntry, PolicyFile, Values
from jupyter_qguard.settings.reader import SECTION
from jupyter_qguard.settings.schema import parse_policy
from jupyter_qguard.settings.stack import REFUSED, Query, Special, Stack
from jupyter_qguard.settings.words import ACTIONS, CONTENT, DOORS, PLAIN_ACTIONS, PLAIN_CONTENT, Action, Role

NOW = datetime(2026, 6, 1, tzinfo=UTC)
RULES = ("json-web-token", "github-token", "high-entropy-string")
FILES = ("a.ipynb", "courses/a.ipynb", "courses/b/a.py", "x.zip")
PATTERNS = ("**", "courses/**", "*.ipynb", "*.zip", "/nowhere")
some_doors = st.sampled_from(DOORS)


def _classes(least: Action = Action.ALLOW) -> st.SearchStrategy[dict[str, Action]]:
    def actions(name: str) -> st.SearchStrategy[Action]:
        all_of = PLAIN_ACTIONS if name in PLAIN_CONTENT else ACTIONS
        return st.sampled_from([action for action in all_of.values() if action >= least])

    return st.fixed_dictionaries({}, optional={name: actions(name) for name in CONTENT})


def _values() -> st.SearchStrategy[Values]:
    rules = st.dictionaries(st.sampled_from(RULES), st.sampled_from(Action), max_size=2)
    return st.builds(Values, _classes(), st.dictionaries(some_doors, _classes(), max_size=3), rules)


def _entries(words: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[PathEntry, ...]]:
    entry = st.builds(
        PathEntry,
        glob=st.sampled_from(PATTERNS).map(compile_glob),
        values=_values(),
        index=st.just(0),
        reason=words,
        owner=words,
        expires=st.sampled_from([None, date(2026, 6, 1), date(2026, 6, 2)]),
    )
    return st.lists(entry, max_size=3).map(
        lambda found: tuple(replace(one, index=index) for index, one in enumerate(found))
    )


def files(role: Role, words: st.SearchStrategy[str] | None = None) -> st.SearchStrategy[PolicyFile]:
    paths = _entries(words if words is not None else st.sampled_from(["", "why"]))
    return st.builds(PolicyFile, role=st.just(role), name=st.just(role), values=_values(), paths=paths)


@st.composite
def queries(draw: st.DrawFn) -> Query:
    content = draw(st.sampled_from(CONTENT))
    specials: list[Special] = ["", "cannot be cut out", "over budget", "notebook that is none"]
    return Query(
        door=draw(some_doors),
        content=content,
        path=draw(st.sampled_from(FILES)),
        rule=draw(st.sampled_from([None, *RULES])),
        generic=draw(st.booleans()),
        special=draw(st.sampled_from(specials)) if content in PLAIN_CONTENT else "",
    )


def stack(*shared: PolicyFile, project: PolicyFile | None = None) -> Stack:
    return Stack((DEFAULTS, *shared), project, "enforce", "refuse")


def action(of: Stack, query: Query) -> Action:
    return of.judge(query, NOW).action


@given(files("system"), files("user"), files("project"), queries())
def test_the_floor_is_a_minimum_always(system: PolicyFile, user: PolicyFile, project: PolicyFile, query: Query) -> None:
    whole = stack(system, user, project=project)
    minimum = whole._minimum(system, query, NOW)
    assert minimum is None or action(whole, query) >= minimum.action


@given(files("system"), files("user"), files("project"), files("user"), files("project"), queries())
def test_nobody_below_the_floor_changes_it(
    system: PolicyFile, user: PolicyFile, project: PolicyFile, other: PolicyFile, another: PolicyFile, query: Query
) -> None:
    one, two = stack(system, user, project=project), stack(system, other, project=another)
    assert one._minimum(system, query, NOW) == two._minimum(system, query, NOW)


@given(files("system"), files("user"), files("project", st.just("")), queries())
def test_a_project_without_reason_and_owner_never_weakens(
    system: PolicyFile, user: PolicyFile, project: PolicyFile, query: Query
) -> None:
    assert action(stack(system, user, project=project), query) >= action(stack(system, user), query)


@given(files("system"), files("user"), files("project", st.just("why")), queries())
def test_a_project_whose_entries_ran_out_never_weakens(
    system: PolicyFile, user: PolicyFile, project: PolicyFile, query: Query
) -> None:
    past = tuple(replace(entry, expires=date(2020, 1, 1)) for entry in project.paths)
    project = replace(project, paths=past)
    assert action(stack(system, user, project=project), query) >= action(stack(system, user), query)


@given(files("system"), files("user"), files("project"), files("system"), queries())
def test_one_more_floor_never_loosens_what_a_user_asked_for(
    system: PolicyFile, user: PolicyFile, project: PolicyFile, more: PolicyFile, query: Query
) -> None:
    """Where the user names a value at the deciding level, a further system file can only raise it."""
    user = replace(user, values=replace(user.values, rules=dict.fromkeys(RULES, Action.BLOCK)), paths=())
    more = replace(more, paths=())
    query = replace(query, rule="json-web-token")
    before = action(stack(replace(system, paths=()), user, project=project), query)
    assert action(stack(more, replace(system, paths=()), user, project=project), query) >= before


@given(files("system"), files("user"), queries(), st.sampled_from(CONTENT), _classes(Action.WARN))
def test_a_project_that_asks_for_more_gets_it(
    system: PolicyFile, user: PolicyFile, query: Query, name: str, classes: dict[str, Action]
) -> None:
    project = PolicyFile(role="project", name="project", values=Values(classes))
    asked = classes.get(query.content)
    got = action(stack(system, user, project=project), query)
    if asked is not None and not query.generic:
        assert got >= asked


@given(files("system"), files("user"), files("project"), queries())
def test_what_cannot_be_rewritten_is_never_redacted_or_held(
    system: PolicyFile, user: PolicyFile, project: PolicyFile, query: Query
) -> None:
    got = stack(system, user, project=project).judge(query, NOW)
    assert not query.plain or got.action in PLAIN_ACTIONS.values()
    assert got.because


@given(queries())
def test_entropy_rules_only_warn_by_default(query: Query) -> None:
    query = replace(query, rule="high-entropy-string", generic=True)
    assert action(stack(), query) is Action.WARN


@given(files("user"), queries())
def test_every_refusal_of_the_defaults_can_be_lifted_by_name(user: PolicyFile, query: Query) -> None:
    allowed = dict.fromkeys(CONTENT, Action.ALLOW)
    entry = PathEntry(compile_glob("**"), Values(allowed), len(user.paths), "why", "who")
    user = replace(user, paths=(*user.paths, entry))
    assert action(stack(user), query) is Action.ALLOW
    assert set(REFUSED) >= ({query.special} - {""})


_keys = ("version", "mode", "content", "doors", "rules", "paths", "match", "reason", "owner", "expires")
_words = st.sampled_from([*CONTENT, *DOORS, *ACTIONS, *RULES, *_keys, "courses/**", "enforce"])
_scalars = st.one_of(_words, st.integers(), st.booleans(), st.floats(), st.dates(), st.datetimes(), st.text(max_size=9))
_trees = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_words, inner, max_size=5), max_leaves=20
)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_quoted(key)} = {_toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, date):
        return value.isoformat()
    return _quoted(value) if isinstance(value, str) else repr(value)


def _quoted(text: str) -> str:
    return '"' + "".join(f"\\U{ord(letter):08X}" for letter in text) + '"'


def _parsed(text: str, section: tuple[str, ...] = ()) -> None:
    for role in ("system", "user", "project"):
        found, problems = parse_policy(
            text,
            role=role,  # type: ignore[arg-type]
            name="x",
            file=Path("x"),
            known_rules=RULES,
            section=section,
        )
        assert (found is None) == any(problem.level == "error" for problem in problems)
        for problem in problems:
            assert problem.sentence()
        if found is not None:
            layers = stack(found) if role != "project" else stack(project=found)
            assert layers.judge(Query("save", "source", "courses/a.ipynb", "json-web-token"), NOW).action in Action
            assert len(layers.digest) == 64


@settings(max_examples=300)
@given(st.dictionaries(_words, _trees, max_size=6))
def test_any_toml_is_a_policy_or_has_problems(tree: dict[str, Any]) -> None:
    text = "\n".join(f"{_quoted(key)} = {_toml(value)}" for key, value in tree.items())
    _parsed(text)
    _parsed(f"tool.qguard = {_toml(tree)}", SECTION)  # type: ignore[arg-type]


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60) | st.text(alphabet='[]{}="#.\n a1', max_size=60))
def test_any_text_is_a_policy_or_has_problems(text: str) -> None:
    _parsed(text)
    _parsed(f"[[paths]]\nmatch = '**'\n{text}")


def _blocked(values: Values) -> st.SearchStrategy[Values]:
    """Return ``values`` with some of what it sets raised to ``block``."""
    places = [("content", name, "") for name in values.content]
    places += [("doors", door, name) for door, table in values.doors.items() for name in table]
    places += [("rules", rule, "") for rule in values.rules]

    def raised(chosen: list[tuple[str, str, str]]) -> Values:
        def up(where: str, table: dict[str, Action], outer: str = "") -> dict[str, Action]:
            return {
                key: Action.BLOCK if ((where, outer, key) if outer else (where, key, "")) in chosen else action
                for key, action in table.items()
            }

        doors = {door: up("doors", dict(table), door) for door, table in values.doors.items()}
        return Values(up("content", dict(values.content)), doors, up("rules", dict(values.rules)))

    return st.lists(st.sampled_from(places), min_size=1, max_size=3).map(raised) if places else st.just(values)


@given(st.data(), files("system"), files("user"), files("project"), queries())
def test_raising_what_a_layer_says_never_loosens(
    data: st.DataObject, system: PolicyFile, user: PolicyFile, project: PolicyFile, query: Query
) -> None:
    def raised(layer: PolicyFile) -> PolicyFile:
        paths = tuple(replace(entry, values=data.draw(_blocked(entry.values))) for entry in layer.paths)
        return replace(layer, values=data.draw(_blocked(layer.values)), paths=paths)

    before = action(stack(system, user, project=project), query)
    assert action(stack(raised(system), raised(user), project=raised(project)), query) >= before
