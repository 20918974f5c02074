"""Judge a notebook, let an exporter work on the clean copy, judge what came out: the order is the whole point.

An exporter is anything with ``from_notebook_node(nb, resources=…) -> (output, resources)``. It is handed a notebook
that has been judged and redacted, so whatever it does with it (files it writes by itself, programs it starts) it does
with a clean one. One that *runs* the notebook needs the original: its execution is split off and done first.

What it returns is judged again, since it may fetch content from elsewhere, and so is every extracted resource. Not
looked at: files that an exporter writes from other sources than the notebook it was given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, Protocol

from nbformat import from_dict

from jupyter_qguard.guard import Judgement, Request
from jupyter_qguard.policy.model import Action
from jupyter_qguard.render.failures import ExportFailed, ExportRefused, failed
from jupyter_qguard.render.mending import exportable

RESOURCES = ("outputs", "attachments")
"""The entries of an exporter's resources that writers turn into files: name -> content."""
_NAME_HINT = "Rename that attachment or output in the notebook, then export again. Nothing was written."
_LONGEST_SUFFIX = 12
"""Characters of a suffix that are not judged: no secret is as short, and most exports have no other name."""
_ODD_HINT = "Ask whoever maintains that exporter, or choose another format. Nothing was written."


class Judging(Protocol):
    """The part of the guard that an export needs (:class:`jupyter_qguard.guard.Guard`)."""

    def check_notebook(self, notebook: Mapping[str, Any], request: Request) -> Judgement: ...

    def check_rendered(self, content: str | bytes, name: str, request: Request) -> Judgement: ...


@dataclass(frozen=True, slots=True)
class Rendered:
    """What may leave. ``judgements``: the notebook's first, then those of the output and each resource."""

    output: str | bytes
    resources: MutableMapping[str, Any]
    judgements: tuple[Judgement, ...]

    @property
    def messages(self) -> list[str]:
        """Return the lines that say what was taken out, the notebook's first, each once."""
        lines = [judgement.message for judgement in self.judgements if judgement.changed]
        return list(dict.fromkeys(lines))


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of what an exporter made. ``where``: None for the output, else (entry of the resources, name)."""

    where: tuple[str, str] | None
    name: str
    content: str | bytes


def export(guard: Judging, exporter: Any, notebook: Any, resources: Any, request: Request, *, to: str) -> Rendered:
    """Return what ``exporter`` makes of a notebook, clean. ``to``: the format's name, for messages.

    ``notebook`` is a NotebookNode, and is not changed by us. Raises ExportRefused (policy, or the scan failed) and
    ExportFailed (the exporter).
    """
    executed = False
    if executes(exporter):
        notebook, resources = execute(exporter, notebook, resources, to=to)
        executed = True
    first = admit(guard.check_notebook(notebook, request))
    made, resources = render(exporter, taken(notebook, first), resources, to=to, executed=executed)
    parts = parts_of(made, resources, base=base_name(request.path), exporter=exporter, to=to)
    judged = [admit(guard.check_rendered(part.content, part.name, request)) for part in parts]
    check_names(guard, resources, request)
    output = put_back(parts, [judgement.content for judgement in judged], resources)
    return Rendered(output, resources, (first, *judged))


def admit(judgement: Judgement) -> Judgement:
    """Return a judgement that lets something through. Raises ExportRefused for any other."""
    if judgement.refused:
        raise ExportRefused(judgement)
    return judgement


def taken(notebook: Any, judgement: Judgement) -> Any:
    """Return the notebook to export: the very one that was judged where nothing had to be changed."""
    clean = from_dict(judgement.content) if judgement.changed else notebook  # type: ignore[no-untyped-call]
    return exportable(clean) if judgement.mode == "enforce" else clean


def executes(exporter: Any) -> bool:
    """Return whether this exporter would run the notebook's code."""
    return any(_runs(step) for step in _steps(exporter))


def execute(exporter: Any, notebook: Any, resources: Any, *, to: str) -> tuple[Any, Any]:
    """Run the exporter's preprocessors up to and with the execution, on the original notebook.

    What follows (extracting figures and attachments, say) is left to :func:`render`, which comes after judging.
    Raises ExportFailed.
    """
    steps = _steps(exporter)
    last = max(number for number, step in enumerate(steps) if _runs(step))
    try:
        with _only(exporter, steps[: last + 1]):
            done: tuple[Any, Any] = exporter._preprocess(deepcopy(notebook), exporter._init_resources(resources))
        return done
    except (Exception, SystemExit) as error:  # its text quotes the cell
        raise failed(error, to) from error


def render(
    exporter: Any, notebook: Any, resources: Any, *, to: str, executed: bool = False
) -> tuple[Any, MutableMapping[str, Any]]:
    """Return (output, resources) as the exporter gives them. ``notebook`` has been judged. Raises ExportFailed.

    ``executed``: :func:`execute` has done the first part of the exporter's work.
    """
    try:
        steps = _steps(exporter)
        last = max((number for number, step in enumerate(steps) if _runs(step)), default=-1) if executed else -1
        with _only(exporter, steps[last + 1 :]), _unable_to_run(exporter, steps if executed else ()):
            made = exporter.from_notebook_node(notebook, resources=resources)
    except (Exception, SystemExit) as error:
        raise failed(error, to) from error
    output, found = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
    return output, found if isinstance(found, MutableMapping) else dict(resources or {})


def parts_of(output: Any, resources: Mapping[str, Any], *, base: str, exporter: Any, to: str) -> list[Part]:
    """Return everything that must be judged, the output first. Raises ExportFailed for what nobody can judge."""
    if not isinstance(output, (str, bytes)):
        kind = type(output).__name__
        raise ExportFailed(f"Not exported to {to}: the exporter gave back {kind}, not text or bytes.", _ODD_HINT)
    suffix = resources.get("output_extension") or getattr(exporter, "file_extension", "") or ""
    parts = [Part(None, base + str(suffix), _plain(output))]
    for entry in RESOURCES:
        files = resources.get(entry) or {}
        if not isinstance(files, Mapping):
            raise ExportFailed(f"Not exported to {to}: the exporter's list of extracted files is none.", _ODD_HINT)
        for name, content in files.items():
            if not isinstance(name, str) or not isinstance(content, (str, bytes, bytearray, memoryview)):
                raise ExportFailed(f"Not exported to {to}: an extracted file is neither text nor bytes.", _ODD_HINT)
            parts.append(Part((entry, name), name, _plain(content)))
    return parts


def _plain(content: str | bytes | bytearray | memoryview) -> str | bytes:
    """Return content as exactly a str or bytes: a class of an exporter's own may show other text when it is written."""
    if isinstance(content, str):
        return str.__str__(content)
    return content if type(content) is bytes else bytes(memoryview(content))


def names_of(resources: Mapping[str, Any]) -> str:
    """Return the names of all extracted files, one per line, and the suffix of the output where it is a long one.

    They become file names and zip members.
    """
    names = [str(name) for entry in RESOURCES for name in (resources.get(entry) or {})]
    suffix = str(resources.get("output_extension") or "")
    return "\n".join([*names, suffix] if len(suffix) > _LONGEST_SUFFIX else names)


def check_names(guard: Judging, resources: Mapping[str, Any], request: Request) -> None:
    """Raise ExportRefused where the name of an extracted file holds a secret: the output refers to it by name."""
    names = names_of(resources)
    if names:
        judge_names(guard.check_rendered(names, "names.txt", request))


def judge_names(judgement: Judgement) -> None:
    """Raise ExportRefused unless the names that were judged may stay as they are."""
    if judgement.changed:
        message = "Not exported: the name of an extracted file holds a secret."
        raise ExportRefused(
            replace(judgement, action=Action.BLOCK, refused=True, message=message, hint=_NAME_HINT, code="blocked")
        )
    admit(judgement)


def put_back(parts: Sequence[Part], contents: Sequence[Any], resources: MutableMapping[str, Any]) -> str | bytes:
    """Put the judged contents where the parts came from; return the output. Contents in the order of the parts."""
    output: str | bytes = b""
    for part, content in zip(parts, contents, strict=True):
        if part.where is None:
            output = content
        else:
            entry, name = part.where
            resources[entry][name] = content
    return output


def base_name(path: str) -> str:
    """Return a notebook's name without folders and suffix."""
    name = path.replace("\\", "/").rpartition("/")[2]
    return name.rpartition(".")[0] or name or "notebook"


def _steps(exporter: Any) -> list[Any]:
    """Return an exporter's preprocessors (nbconvert keeps them in a private list; a foreign exporter has none)."""
    steps = getattr(exporter, "_preprocessors", None)
    return list(steps) if isinstance(steps, list) else []


def _runs(step: Any) -> bool:
    """Return whether a preprocessor runs code. By name, so that nbconvert need not be imported to ask."""
    return bool(getattr(step, "enabled", False)) and any(
        kind.__name__ == "ExecutePreprocessor" for kind in type(step).__mro__
    )


@contextmanager
def _only(exporter: Any, steps: Sequence[Any]) -> Iterator[None]:
    """Let the exporter have these preprocessors alone."""
    before = getattr(exporter, "_preprocessors", None)
    if not isinstance(before, list) or len(before) == len(steps):
        yield
        return
    exporter._preprocessors = list(steps)
    try:
        yield
    finally:
        exporter._preprocessors = before


@contextmanager
def _unable_to_run(exporter: Any, steps: Sequence[Any]) -> Iterator[None]:
    """Keep exporters that this one makes from its own configuration (a script's language) from running it again."""
    config = getattr(exporter, "config", None)
    if not steps or config is None:
        yield
        return
    quiet = deepcopy(config)
    for step in steps:
        if _runs(step):
            quiet[type(step).__name__]["enabled"] = False
            quiet["ExecutePreprocessor"]["enabled"] = False
    # Behind the trait's back: setting it would configure this exporter anew and undo what was set by hand.
    exporter._trait_values["config"] = quiet
    try:
        yield
    finally:
        exporter._trait_values["config"] = config
