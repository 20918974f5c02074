"""Finding, re-reading and refusing policy files."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from jupyter_qguard import settings
from jupyter_qguard.errors import ConfigError
from jupyter_qguard.policy.model import Action
from jupyter_qguard.settings import Query, reader
from tests.unit.policy.policy_world import RULES, World

STRICT = '[content]\nsource = "block"\n'


def test_the_nearest_file_upward_counts_and_none_above_the_root(world: World) -> None:
    world.write(".", STRICT)
    assert world.judge(path="a/b/x.ipynb")[0] is Action.REDACT
    world.write("root", '[content]\nsource = "hold"\n')
    assert world.judge(path="a/b/x.ipynb")[0] is Action.HOLD
    world.write("root/a", STRICT)
    assert world.judge(path="/a/b/x.ipynb") == (Action.BLOCK, "content.source (project a/qguard.toml)")
    assert world.judge(path="b/x.ipynb")[0] is Action.HOLD
    assert world.judge(path="../../x.ipynb")[0] is Action.HOLD
    assert world.judge(path="a/../b/x.ipynb")[0] is Action.HOLD


def test_patterns_start_at_the_folder_of_the_file_that_names_them(world: World) -> None:
    entry = '[[paths]]\nmatch = "/deep/*"\nsource = "block"\n'
    world.write("root/a", entry)
    assert world.judge(path="a/deep/x.ipynb")[0] is Action.BLOCK
    assert world.judge(path="a/x/deep/x.ipynb")[0] is Action.REDACT
    world.write("user", entry)
    assert world.judge(path="deep/x.ipynb")[0] is Action.BLOCK


def test_pyproject_counts_with_its_table_and_after_qguard_toml(world: World) -> None:
    world.write("root/a", '[project]\nname = "x"\n', "pyproject.toml")
    world.write("root", '[tool.qguard.content]\nsource = "block"\n', "pyproject.toml")
    assert world.judge(path="a/x.ipynb") == (Action.BLOCK, "content.source (project pyproject.toml)")
    world.write("root", '[content]\nsource = "hold"\n')
    assert world.judge(path="a/x.ipynb")[0] is Action.HOLD


def test_a_broken_pyproject_counts_only_when_it_speaks_of_us(world: World) -> None:
    world.write("root", "[project\n", "pyproject.toml")
    assert world.load().problems == ()
    world.write("root", "[tool.qguard]\nversion = \n", "pyproject.toml")
    assert "is not valid TOML (line 2, column 11)" in world.load().problems[0]


def test_a_bad_project_file_means_defaults_and_degraded(world: World) -> None:
    world.write("root", '[contents]\nsource = "block"\n')
    policies = world.load()
    assert world.judge(policies=policies)[0] is Action.REDACT
    (problem,) = policies.problems
    assert "qguard.toml:1: contents: is an unknown key. Did you mean content?" in problem
    assert "the policy without this file holds" in problem


@pytest.mark.parametrize("where", ["system", "user"])
def test_a_bad_system_or_user_file_refuses_the_start(world: World, where: str) -> None:
    path = world.write(where, 'version = 1\nmode = "enforced"\n')
    with pytest.raises(ConfigError) as caught:
        world.load()
    assert f"{path}:2: mode: must be one of off, observe, enforce." in caught.value.message
    assert 'Did you mean "enforce"?' in caught.value.message


@pytest.mark.parametrize("where", ["system", "user", "root"])
def test_a_bad_edit_keeps_the_last_good_policy_until_corrected(world: World, where: str) -> None:
    world.write(where, STRICT)
    policies = world.load()
    assert (world.judge(policies=policies)[0], policies.problems) == (Action.BLOCK, ())
    world.write(where, "[content\n")
    assert world.judge(policies=policies)[0] is Action.BLOCK
    assert "the last good version of the file holds" in policies.problems[0]
    world.write(where, '[content]\nsource = "hold"\n')
    assert (world.judge(policies=policies)[0], policies.problems) == (Action.HOLD, ())
    (world.base / where / "qguard.toml").unlink()
    assert (world.judge(policies=policies)[0], policies.problems) == (Action.REDACT, ())


def test_a_file_that_appears_or_keeps_size_and_time_is_read_again(world: World) -> None:
    policies = world.load()
    path = world.write("root", '[content]\nsource = "hold" \n')
    assert world.judge(policies=policies)[0] is Action.HOLD
    before = path.stat()
    world.write("root", STRICT)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert world.judge(policies=policies)[0] is Action.BLOCK


def test_an_unchanged_file_is_not_read_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_RACY_NS", -(10**18))
    world.write("root", STRICT)
    policies = world.load()
    assert world.judge(policies=policies)[0] is Action.BLOCK

    def no(*_: object) -> bytes:
        raise AssertionError("read again")

    monkeypatch.setattr(reader.WatchedFile, "_read", no)
    assert world.judge(policies=policies)[0] is Action.BLOCK
    assert policies.problems == ()


def _loop(path: Path) -> None:
    path.symlink_to(path)


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the name of a socket is limited to some hundred bytes
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (_loop, "The file is a circle of symbolic links."),
        (lambda path: path.symlink_to("nowhere"), "The file is a symbolic link to nothing."),
        (_fifo, "The file is not a regular file."),
        (_socket, "The file is not a regular file."),
        (lambda path: path.mkdir(), "The file is not a regular file."),
        (lambda path: path.write_bytes(b"\xff\xfe"), "The file is not UTF-8 text."),
        (lambda path: path.write_bytes(b"#" * 1_000_001), "The file is larger than 1 MB."),
        (lambda path: path.write_bytes(b"a = " + b"[" * 50_000), "The file is nested too deeply."),
        (lambda path: path.write_bytes(b"a." * 300_000), "The file has a dotted key of more than 64 parts."),
        (lambda path: path.write_bytes(b"a = " + b"9" * 5000), "The file holds a number or a date"),
        (lambda path: path.write_bytes(b"a = 2026-02-31"), "The file is not valid TOML"),
        (lambda path: path.write_bytes(b"a = 1\0"), "The file is not valid TOML (line 1, column 6)."),
    ],
)
def test_what_cannot_be_read_is_said_in_one_sentence(world: World, make: object, sentence: str) -> None:
    (world.base / "root").mkdir()
    make(world.root / "qguard.toml")  # type: ignore[operator]
    policies = world.load()
    (problem,) = policies.problems
    assert sentence in problem
    assert world.judge(policies=policies)[0] is Action.REDACT
    (found,) = settings.check_file(world.root / "qguard.toml")
    assert (found.level, sentence in found.sentence()) == ("error", True)


def test_what_may_not_be_read_is_said_in_one_sentence(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    path = world.write("root", STRICT)
    real = Path.open

    def refuse(self: Path, *args: object, **more: object) -> object:
        if self == path:
            raise PermissionError(13, "no")
        return real(self, *args, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", refuse)
    assert "The file cannot be read: permission denied." in world.load().problems[0]


def test_the_mark_of_windows_editors_is_no_error(world: World) -> None:
    (world.base / "root").mkdir()
    (world.root / "qguard.toml").write_bytes(b"\xef\xbb\xbf" + STRICT.replace("\n", "\r\n").encode())
    assert world.judge()[0] is Action.BLOCK


def test_the_admin_variable_counts_only_without_a_system_file(world: World) -> None:
    admin = world.write("elsewhere", STRICT, "admin.toml")
    world.env["QGUARD_ADMIN_POLICY"] = str(admin)
    assert world.judge() == (Action.BLOCK, "content.source (floor, system admin.toml)")
    world.write("system", '[content]\noutput = "block"\n')
    assert world.judge()[0] is Action.REDACT
    assert world.load().notices == ("QGUARD_ADMIN_POLICY is ignored: a system policy file exists.",)
    (world.base / "system" / "qguard.toml").unlink()
    admin.unlink()
    with pytest.raises(ConfigError, match="names a file that does not exist"):
        world.load()


def test_every_system_file_is_a_floor(world: World) -> None:
    world.write("system", '[content]\nsource = "block"\n')
    world.write("env", '[content]\nsource = "warn"\noutput = "block"\n')
    policies = world.load(system_dirs=[world.base / "env", world.base / "system"])
    assert world.judge(policies=policies)[0] is Action.BLOCK
    assert world.judge(policies=policies, content="output")[0] is Action.BLOCK


def test_a_file_given_by_name_takes_the_place_of_every_project_file(world: World) -> None:
    world.write("root/a", STRICT)
    given = world.write("elsewhere", '[content]\nsource = "hold"\n[[paths]]\nmatch="/a/*"\noutput="block"\n')
    policies = world.load(project_file=given)
    assert world.judge(policies=policies, path="a/x.ipynb")[0] is Action.HOLD
    assert world.judge(policies=policies, path="a/x.ipynb", content="output")[0] is Action.BLOCK
    with pytest.raises(ConfigError):
        world.load(project_file=world.base / "missing.toml")
    with pytest.raises(ConfigError, match="unknown key"):
        world.load(project_file=world.write("elsewhere", "sorce = 1\n"))


def test_the_users_own_file_is_no_project_file_when_home_is_the_root(world: World) -> None:
    world.write("root/.jupyter", 'mode = "observe"\n')
    policies = world.load(user_dir=world.root / ".jupyter")
    assert policies.effective(".jupyter/x.ipynb").mode == "observe"
    assert policies.problems == ()


@pytest.mark.parametrize(
    ("system", "user", "env", "mode", "source"),
    [
        (None, None, None, "enforce", "default"),
        (None, "observe", None, "observe", "user qguard.toml"),
        (None, "observe", "off", "off", "QGUARD_MODE"),
        (None, None, "OFF ", "off", "QGUARD_MODE"),
        ("enforce", "observe", "off", "enforce", "floor, system qguard.toml"),
        ("observe", None, None, "observe", "system qguard.toml"),
        ("observe", None, "off", "observe", "floor, system qguard.toml"),
        ("observe", "enforce", None, "enforce", "user qguard.toml"),
        ("off", None, None, "off", "system qguard.toml"),
        ("off", None, "enforce", "enforce", "QGUARD_MODE"),
    ],
)
def test_mode_and_its_floor(
    world: World, system: str | None, user: str | None, env: str | None, mode: str, source: str
) -> None:
    for where, value in (("system", system), ("user", user)):
        if value:
            world.write(where, f'mode = "{value}"\n')
    if env:
        world.env["QGUARD_MODE"] = env
    policies = world.load()
    assert policies.mode == mode
    row = policies.effective("a.ipynb").explain()[0]
    assert (row.setting, row.value, row.source) == ("mode", mode, source)
    assert bool(policies.notices) == source.startswith("floor")
    assert policies.floor_mode == system


def test_a_mode_that_is_none_refuses_the_start(world: World) -> None:
    world.env["QGUARD_MODE"] = "of"
    with pytest.raises(ConfigError, match="QGUARD_MODE must be one of enforce, observe, off"):
        world.load()


def test_on_failure_warn_is_shown_as_degraded_and_a_floor_holds(world: World) -> None:
    world.write("user", 'on_failure = "warn"\n')
    policies = world.load()
    assert policies.on_failure == "warn"
    assert "content passes unjudged" in policies.problems[0]
    world.write("system", 'on_failure = "refuse"\n')
    policies = world.load()
    assert (policies.on_failure, policies.problems) == ("refuse", ())


def test_the_digest_speaks_of_what_is_said_not_of_how(world: World) -> None:
    plain = world.load().digest
    world.write("user", '# a comment\n[content]\nsource = "redact"\n')
    assert world.load().digest == plain
    world.write("user", '[content]\nsource = "block"\n')
    strict = world.load().digest
    world.write("user", '\n\n[content]\nsource="block"\n[rules]\n')
    assert strict == world.load().digest != plain
    world.write("root/a", '[content]\noutput = "block"\n')
    policies = world.load()
    assert policies.digest == strict != policies.effective("a/x.ipynb").digest
    here = settings.load(
        world.root / "a", root=world.root, env={}, known_rules=RULES, system_dirs=[], user_dir=world.base / "user"
    )
    assert here.digest == policies.effective("a/x.ipynb").digest


def test_many_threads_see_whole_policies_while_a_file_changes(world: World) -> None:
    world.write("root", STRICT)
    policies = world.load()
    seen: set[Action] = set()
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            for _ in range(200):
                seen.add(world.judge(policies=policies)[0])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for turn in range(50):
        temporary = world.write("root", STRICT if turn % 2 else '[content]\nsource = "hold"\n', "new.toml")
        temporary.replace(world.root / "qguard.toml")
    for thread in threads:
        thread.join()
    assert failures == []
    assert seen <= {Action.BLOCK, Action.HOLD}


def test_the_policy_of_the_readers_first_example_holds_with_the_real_rules(world: World) -> None:
    from jupyter_qguard.scan import rules

    world.write(
        "user",
        'version = 1\nmode = "enforce"\non_failure = "refuse"\n[content]\nsource = "redact"\noutput = "redact"\n'
        'metadata = "redact"\ntext = "warn"\nopaque = "warn"\n[doors]\nupload = { text = "block" }\n'
        'commit = { text = "block" }\n[rules]\nhigh-entropy-string = "warn"\nibm-cloud-api-key = "redact"\n'
        '[[paths]]\nmatch = "courses/**"\ntext = "allow"\nreason = "teaching keys"\nowner = "platform@lab.example"\n'
        "expires = 2027-01-01\n",
    )
    policies = world.load(known_rules=frozenset(rules.ALL))
    assert (policies.problems, policies.notices) == ((), ())
    assert world.judge("upload", "text", "courses/a.py", policies=policies)[0] is Action.ALLOW
    assert world.judge("upload", "text", "a.py", policies=policies)[0] is Action.BLOCK
    assert not RULES - frozenset(rules.ALL), "the other tests use rules that exist"


@pytest.mark.parametrize(
    "path", ["a\0b/x.ipynb", "\ud800/x.ipynb", "n" * 5000 + "/x.ipynb", "", "/", "..", "a//./b/", "a/" * 600]
)
def test_no_path_is_too_odd_to_have_a_policy(world: World, path: str) -> None:
    world.write("root", STRICT + '[[paths]]\nmatch = "**/x.ipynb"\noutput = "block"\n')
    policy = world.load().effective(path)
    assert policy.judge(Query("save", "source")).action is Action.BLOCK
    assert len(policy.digest) == 64
    assert policy.explain()


def test_a_home_that_is_no_folder_has_no_file(world: World) -> None:
    assert world.judge(policies=world.load(user_dir=Path(os.devnull)))[0] is Action.REDACT


def test_a_user_adds_places_for_heads_and_takes_none_away(world: World) -> None:
    world.write("system", "version = 1\n")
    plain = world.load().digest
    world.write("system", '[ledger]\nhead_file = "/mnt/audit"\nhead_url = "https://audit.example/heads/"\n')
    world.write("user", '[ledger]\nhead_file = "~/heads"\nhead_url = "https://audit.example/heads/"\n')
    policies = world.load()
    assert policies.heads == (
        ("head_file", "/mnt/audit"),
        ("head_url", "https://audit.example/heads/"),
        ("head_file", "~/heads"),
    )
    assert policies.digest == plain  # they judge no content
    rows = {(row.setting, row.value): row for row in policies.effective("a.ipynb").explain()}
    assert rows["ledger.head_file", "/mnt/audit"].floor == "/mnt/audit"
    assert rows["ledger.head_file", "~/heads"].where == "user qguard.toml:2"
    world.write("root", '[ledger]\nhead_file = "/tmp"\n')
    policies = world.load()
    assert ("head_file", "/tmp") not in policies.heads
    assert "does not count in a project file" in policies.problems[0]
