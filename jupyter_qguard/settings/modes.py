"""Which mode holds, and who said so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from jupyter_qguard.errors import ConfigError
from jupyter_qguard.settings.pause import LONGEST, Pause
from jupyter_qguard.settings.policy_file import PolicyFile
from jupyter_qguard.settings.words import HISTORY, MODES, ON_FAILURE, History, Mode, OnFailure

ENV_MODE = "QGUARD_MODE"


@dataclass(frozen=True, slots=True)
class ModeChoice:
    """The mode, who set it, and the floor under it (None: nobody but the user decides)."""

    mode: Mode
    source: str
    floor: Mode | None = None
    notices: tuple[str, ...] = ()
    on_failure_source: str = "default"


def choose_mode(shared: Sequence[PolicyFile], env: Mapping[str, str], pause: Pause | None = None) -> ModeChoice:
    """Return the mode. ``shared`` runs default, system…, user; ``QGUARD_MODE`` comes last.

    A ``mode`` in a system file is also the least that holds: ``mode = "enforce"`` there can be
    lowered neither by the user's file nor by ``QGUARD_MODE``, ``"observe"`` lets a user raise it
    to enforce but not turn it off. ``pause`` is one that counts now: it turns enforce into
    observe. Raises ConfigError when ``QGUARD_MODE`` is no mode.
    """
    mode: Mode = "enforce"
    source, floor, floor_source = "default", None, ""
    notices = []
    for layer in shared:
        if layer.mode is not None:
            mode, source = layer.mode, layer.name
        if layer.role == "system" and layer.mode is not None:
            strictest = max(layer.mode, floor or "off", key=MODES.index)
            if strictest != floor:
                floor, floor_source = strictest, layer.name
    wanted = env.get(ENV_MODE, "").strip().lower()
    if wanted:
        named = next((word for word in MODES if word == wanted), None)
        if named is None:
            raise ConfigError(f"{ENV_MODE} must be one of {', '.join(reversed(MODES))}.", "Correct or unset it.")
        mode, source = named, ENV_MODE
    if pause is not None:
        notices.append(f"jupyter-qguard is {pause.words()}: it judges and reports, and changes nothing.")
        if mode == "enforce":
            mode, source = "observe", pause.words()
    if floor is not None and MODES.index(mode) < MODES.index(floor):
        if source != floor_source:
            notices.append(f'mode = "{mode}" ({source}) is ignored: {floor_source} asks for at least "{floor}".')
        mode, source = floor, f"floor, {floor_source}"
    return ModeChoice(mode, source, floor, tuple(notices))


def choose_on_failure(shared: Sequence[PolicyFile]) -> tuple[OnFailure, str]:
    """Return what a scanner failure leads to, and who said so. ``refuse`` in a system file cannot be lowered."""
    value: OnFailure = "refuse"
    source = "default"
    floor: OnFailure | None = None
    for layer in shared:
        if layer.on_failure is None:
            continue
        if floor is not None and ON_FAILURE.index(layer.on_failure) < ON_FAILURE.index(floor):
            continue
        value, source = layer.on_failure, layer.name
        if layer.role == "system":
            floor = layer.on_failure
    return value, source


def choose_pause_max(shared: Sequence[PolicyFile]) -> tuple[timedelta, str]:
    """Return the longest pause, and who said so. What a system file says is also the most that a user can say."""
    value, source = LONGEST, "default"
    most: tuple[timedelta, str] | None = None
    for layer in shared:
        if layer.pause_max is None:
            continue
        value, source = layer.pause_max, layer.name
        if layer.role == "system" and (most is None or layer.pause_max < most[0]):
            most = layer.pause_max, layer.name
    return min((value, source), most, key=lambda pair: pair[0]) if most else (value, source)


def choose_history(shared: Sequence[PolicyFile]) -> tuple[History, str]:
    """Return what IPython's history stores, and who said so. What a system file says is also the least."""
    value: History = "redact"
    source = "default"
    floor: tuple[History, str] | None = None
    for layer in shared:
        if layer.history is None:
            continue
        value, source = layer.history, layer.name
        if layer.role == "system" and (floor is None or HISTORY.index(value) > HISTORY.index(floor[0])):
            floor = value, layer.name
    if floor is not None and HISTORY.index(value) < HISTORY.index(floor[0]):
        return floor
    return value, source
