"""The only place where the rooms meet: content in, a judgement out.

The guard never raises for content. Whatever goes wrong inside becomes a refusal with a
fixed text, so that a door has one thing to look at: :attr:`Judgement.refused`.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from jupyter_qguard import __version__, paths, record, settings
from jupyter_qguard.broker import installation
from jupyter_qguard.broker.kept import KeptItem, KeptStore
from jupyter_qguard.errors import ConfigError, KeepError, LedgerError, RedactionError
from jupyter_qguard.judgement import Judgement, Request, failed, record_of
from jupyter_qguard.ledger.event import Event, stamp
from jupyter_qguard.messages import (
    describe_redaction,
    describe_refusal,
    describe_unchecked,
    describe_unkept,
    finding_rows,
    unchecked_rows,
)
from jupyter_qguard.policy.decide import decide, stop_what_cannot_be_cut
from jupyter_qguard.policy.exempt import exempt
from jupyter_qguard.policy.model import Action, Context, Decision, Door, FileKind, Mode, OnFailure
from jupyter_qguard.scan import rules
from jupyter_qguard.scan.pages import Pages
from jupyter_qguard.scan.rules import ALL as RULES
from jupyter_qguard.scan.scanner import Redaction, Removed, Scan, scan_bytes, scan_notebook, scan_text
from jupyter_qguard.settings import PAUSE_NAME, Policies, Policy

__all__ = ["Guard", "Judgement", "Request", "build", "failed", "kept_items", "on_hub"]
_MARKER_ID = re.compile(r"([0-9a-f]{8})\]?$")


class Record(Protocol):
    """Where decisions go (ledger.Ledger)."""

    def append(self, event: Event) -> None: ...
    def count(self, door: str, action: str, n: int = 1) -> None: ...


class Keeper(Protocol):
    """Keeps values for their owner (broker.kept.KeptStore)."""

    def keep(self, items: list[KeptItem]) -> tuple[str, ...]: ...


class Guard:
    """Judges content for every door; the same object serves the server and the command line.

    Thread-safe: all it remembers between calls is whether being switched off has been recorded, and
    which style sheets of exported pages are clean.
    """

    def __init__(
        self,
        *,
        policies: Policies,
        ledger: Record,
        keeper: Keeper | None,
        key: bytes | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.policies = policies
        self.ledger = ledger
        self.keeper = keeper
        self.key = key
        self._clock = clock
        self._off_recorded = False
        self._pages = Pages()

    def check_notebook(self, notebook: Mapping[str, Any], request: Request) -> Judgement:
        """Judge a notebook model (nbformat 3 or 4, valid or not). Never raises for content."""
        return self._judge(lambda: scan_notebook(notebook, key=self.key), notebook, request)

    def check_text(self, text: str, request: Request) -> Judgement:
        """Judge text. A path ending in ``.ipynb`` is parsed as a notebook and handed back as text."""
        return self._judge(lambda: scan_text(text, name=request.path, key=self.key), text, request)

    def check_bytes(self, data: bytes, request: Request) -> Judgement:
        """Judge the bytes of a file of any kind; a notebook comes back with bytes spliced."""
        return self._judge(lambda: scan_bytes(data, name=request.path, key=self.key), data, request)

    def check_rendered(self, content: str | bytes, name: str, request: Request) -> Judgement:
        """Judge what an exporter made of a notebook: text or bytes, ``name`` with its own suffix (``a.html``).

        A secret in it is judged as one in an output and cut out of text in place; where nothing can be cut out (PDF,
        zip, image text) the export is refused. ``request.path`` is the notebook's. Never raises for content.
        """
        return self._judge(lambda: self._pages.scan(content, name=name, key=self.key), content, request, rendered=True)

    def out_of_time(self, content: Any, request: Request) -> Judgement:
        """Return the judgement on content whose scan did not come back within the caller's wall-clock limit."""
        try:
            policy = self.policies.effective(request.path)
            if policy.on_failure == "warn":
                return self._pass_unchecked(content, request, policy.mode, "the scan ran out of time")
            return failed(content, policy.mode)
        except Exception:  # no policy to ask: refuse
            return failed(content)

    def _judge(self, scan: Callable[[], Scan], content: Any, request: Request, *, rendered: bool = False) -> Judgement:
        mode: Mode = "enforce"
        on_failure: OnFailure = "refuse"
        try:
            policy = self.policies.effective(request.path)
            mode, on_failure = policy.mode, policy.on_failure
            if mode == "off":
                self._record_off(request, policy)
                return Judgement(Action.ALLOW, mode, content)
            self._off_recorded = False
            return self._decide(scan(), content, request, policy, rendered=rendered)
        except (KeepError, ConfigError, LedgerError) as error:
            refusal = Judgement(Action.BLOCK, mode, content, refused=True, code=error.code, hint=error.hint)
            return replace(refusal, message=error.message, status=503 if isinstance(error, LedgerError) else 422)
        except RedactionError:  # something was found: on_failure = "warn" must not let that through
            return failed(content, mode)
        except Exception:  # whatever it is, its text may quote the content: refuse with a fixed one
            if on_failure == "warn":
                return self._pass_unchecked(content, request, mode, "the scanner failed")
            return failed(content, mode)

    def _record_off(self, request: Request, policy: Policy) -> None:
        """Record, once, that the policy has switched the guard off meanwhile: a bypass without a record is none."""
        if not self._off_recorded:
            note = "the guard is switched off; nothing is judged until it is on again"
            self._record(self.event(request, "opaque", Action.ALLOW, "off", None, policy.digest, note=note), policy)
            self._off_recorded = True

    def _record(self, event: Event, policy: Policy) -> None:
        """Record a decision. With ``on_failure = "warn"`` one that cannot be recorded is carried out all the same."""
        try:
            self.ledger.append(event)
        except LedgerError:
            if policy.on_failure != "warn":
                raise

    def _pass_unchecked(self, content: Any, request: Request, mode: Mode, reason: str) -> Judgement:
        """Let content through because the floor says ``on_failure = "warn"``; say so in the record if it can be."""
        with contextlib.suppress(LedgerError):
            self.ledger.append(self.event(request, "text", Action.WARN, mode, None, "", note=f"unchecked: {reason}"))
        return Judgement(
            Action.WARN, mode, content, code="unchecked", message=f"Not checked: {reason} (on_failure = warn)."
        )

    def state(self, path: str) -> tuple[Policy, str]:
        """Return the policy for a path, and a digest that changes with whatever a verdict on the path depends on.

        The day is in it, because entries of a policy expire.
        """
        policy = self.policies.effective(path)
        day = stamp(self._clock())[:10]
        known = policy.baseline.digest(policy.now) if policy.baseline else ""
        parts = (policy.digest, policy.mode, policy.on_failure, known, rules.digest(__version__), day)
        return policy, hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def note(self, request: Request, kind: FileKind, decision: Decision, policy: Policy, *, note: str = "") -> None:
        """Record a decision made outside of ``check_…``: on a file looked at in parts, or made before and still good.

        Raises LedgerError where it cannot be recorded and the policy does not let it pass all the same.
        """
        if decision.action is Action.ALLOW and not decision.judged:
            self.ledger.count(request.door, str(decision.action))
            return
        self._record(
            self.event(request, kind, decision.action, decision.mode, decision, policy.digest, note=note), policy
        )

    def decide(self, scan: Scan, context: Context, policy: Policy) -> Decision:
        """Return what policy says of a scan; every way of judging (doors, shell, exports) comes through here."""
        return exempt(decide(scan.findings, scan.unchecked, context, policy), scan, context, policy)

    def _decide(self, scan: Scan, content: Any, request: Request, policy: Policy, *, rendered: bool) -> Judgement:
        context = Context(request.door, request.path, "notebook" if rendered else scan.kind, rendered)
        decision = self.decide(scan, context, policy)
        if scan.kind == "opaque" and decision.action is Action.REDACT:
            decision = stop_what_cannot_be_cut(decision)
        action = decision.action
        rows, missed = finding_rows(decision.judged), unchecked_rows(decision.unchecked)
        base = Judgement(
            action,
            decision.mode,
            content,
            findings=rows,
            unchecked=missed,
            problem=scan.problem,
            decision=decision,
            kind=scan.kind,
        )
        if action is Action.ALLOW:
            if any(item.exemption for item in decision.judged):  # an exception without a trace helps no reviewer
                self._record(self.event(request, scan.kind, action, decision.mode, decision, policy.digest), policy)
            self.ledger.count(request.door, str(action))
            return base
        if decision.mode == "observe" or action is Action.WARN:
            self._record(self.event(request, scan.kind, action, decision.mode, decision, policy.digest), policy)
            return base
        if action >= Action.HOLD:
            self._record(self.event(request, scan.kind, action, decision.mode, decision, policy.digest), policy)
            return self._refuse(base, request.door, scan, decision)
        return self._redact(scan, base, request, decision, policy)

    def _refuse(self, base: Judgement, door: Door, scan: Scan, decision: Decision) -> Judgement:
        stopping = [item for item in decision.judged if item.action >= Action.HOLD]
        if not stopping:
            message, hint = describe_unchecked(door, decision.unchecked)
            return replace(base, refused=True, code="unchecked", message=message, hint=hint)
        held = base.action is Action.HOLD
        message, hint = describe_refusal(door, stopping, problem=scan.problem, held=held)
        return replace(base, refused=True, code="held" if held else "blocked", message=message, hint=hint)

    def _redact(self, scan: Scan, base: Judgement, request: Request, decision: Decision, policy: Policy) -> Judgement:
        chosen = [number for number, item in enumerate(decision.judged) if item.action is Action.REDACT]
        redaction = scan.redact(chosen)
        taken = [decision.judged[number] for number in chosen]
        try:
            kept, not_kept = self._keep(redaction, request)
        except KeepError as error:
            raise KeepError(describe_unkept(request.door, taken, error.message), error.hint) from None
        # The record comes before the write: a clean copy without a record is a lie, a record without a write is not.
        self._record(self.event(request, scan.kind, Action.REDACT, decision.mode, decision, policy.digest), policy)
        return replace(
            base,
            content=redaction.content,
            changed=True,
            kept=kept,
            not_kept=not_kept,
            message=describe_redaction(request.door, taken, kept=bool(kept), not_kept=not_kept),
        )

    def _keep(self, redaction: Redaction, request: Request) -> tuple[tuple[str, ...], bool]:
        """Keep what was taken out of sources. Returns (ids, True if something was lost on purpose)."""
        if not request.sole_copy:
            return (), False
        items = kept_items(redaction.removed, request.path)
        if not items:
            return (), False
        if self.keeper is None:
            return (), True
        return self.keeper.keep(items), False

    def event(
        self,
        request: Request,
        kind: FileKind,
        action: Action,
        mode: Mode,
        decision: Decision | None,
        policy_digest: str,
        *,
        note: str = "",
    ) -> Event:
        """Return the record of one decision (:func:`jupyter_qguard.judgement.record_of`), stamped now."""
        return record_of(request, kind, action, mode, decision, policy_digest, time=stamp(self._clock()), note=note)


def kept_items(removed: Sequence[Removed], path: str) -> list[KeptItem]:
    """Return one item per value that left a source; the same value under the same marker once."""
    seen: set[tuple[str, str]] = set()
    items = []
    for entry in removed:
        if not entry.source:
            continue
        marker_id = _MARKER_ID.search(entry.marker)
        id8 = marker_id.group(1) if marker_id else "00000000"
        if (id8, entry.text.reveal()) in seen:
            continue
        seen.add((id8, entry.text.reveal()))
        items.append(KeptItem(id8=id8, rule=entry.rule, path=path, cell_id=entry.address.cell_id, text=entry.text))
    return items


def on_hub(env: Mapping[str, str]) -> bool:
    """Return whether this process is a JupyterHub single-user server (contract §4: nothing is kept there)."""
    return bool(env.get("JUPYTERHUB_USER") or env.get("JUPYTERHUB_API_TOKEN"))


def build(
    root: Path,
    env: Mapping[str, str],
    *,
    policy_file: Path | None = None,
    baseline_file: Path | None = None,
    use_baselines: bool = True,
) -> Guard:
    """Return the guard for one server root or repository.

    ``policy_file`` and ``baseline_file`` take the place of the project's own. Raises ConfigError where a system or
    user policy, or a file named here, cannot be used, QGuardError where the data folder cannot.
    """
    data = paths.data_dir(env)
    policies = settings.load(
        None,
        root=root,
        env=env,
        known_rules=frozenset(RULES),
        project_file=policy_file,
        baseline_file=baseline_file,
        use_baselines=use_baselines,
        pause_file=data / PAUSE_NAME,
    )
    return Guard(
        policies=policies,
        ledger=record.opened(env, policies, data_dir=data),
        keeper=None if on_hub(env) else KeptStore(data, env=env),
        key=installation.key(data, env),
    )
