"""A small world of policy files: a root, a user folder, a system folder, and a clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from jupyter_qguard import settings
from jupyter_qguard.policy.decide import decide
from jupyter_qguard.policy.model import Action, Context, Door, FileKind
from jupyter_qguard.scan.finding import Address, Finding, Rule, Tier

RULES = frozenset({"ibm-cloud-api-key", "github-token", "high-entropy-string", "json-web-token"})


@dataclass
class World:
    """Where files are written and policies are loaded from."""

    base: Path
    env: dict[str, str] = field(default_factory=dict)
    now: datetime = datetime(2026, 6, 1, 12, tzinfo=UTC)

    @property
    def root(self) -> Path:
        return self.base / "root"

    def write(self, where: str, text: str, name: str = "qguard.toml") -> Path:
        """Write a policy file. ``where`` is ``system``, ``user``, ``root`` or ``root/<folder>``."""
        path = self.base / where / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def load(self, **more: object) -> settings.Policies:
        self.root.mkdir(exist_ok=True)
        arguments: dict[str, object] = {
            "root": self.root,
            "env": self.env,
            "known_rules": RULES,
            "system_dirs": [self.base / "system"],
            "user_dir": self.base / "user",
            "clock": lambda: self.now,
        }
        return settings.load(None, **{**arguments, **more})  # type: ignore[arg-type]

    def judge(
        self,
        door: Door = "save",
        content: str = "source",
        path: str = "a.ipynb",
        rule: str = "github-token",
        policies: settings.Policies | None = None,
        tier: Tier = "provider",
        cut: bool = True,
        kind: FileKind | None = None,
    ) -> tuple[Action, str]:
        """Return action and reason for one finding."""
        policy = (policies or self.load()).effective(path)
        plain: FileKind = "text" if content == "text" else "opaque"
        where: FileKind = "notebook" if content in ("source", "output", "metadata") else plain
        decision = decide([finding(content, rule, tier, cut)], [], Context(door, path, kind or where), policy)
        return decision.judged[0].action, decision.judged[0].because


def finding(content: str, rule: str = "github-token", tier: Tier = "provider", cut: bool = True) -> Finding:
    """Return a finding as the scan room hands it over."""
    return Finding(
        rule=Rule(rule, "title", "high", tier, "why"),
        address=Address(0, "c1", content),
        content=content,  # type: ignore[arg-type]
        line=1,
        column=1,
        end_line=1,
        end_column=9,
        fingerprint="0" * 64,
        why="why",
        cut=cut,
    )
