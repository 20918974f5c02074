"""Where a kernel's start is met: one wrapper around the provisioner factory, one list of contributors.

Every kernel that this server starts passes here, at each start and restart, whichever provisioner its kernelspec
names. A contributor adds to the command and the environment; one that fails never stops a kernel from starting.
Overriding the factory is no documented hook of jupyter_client (tried on 8.10), so a test holds it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from jupyter_client.provisioning.provisioner_base import KernelProvisionerBase

from jupyter_qguard.server.gate import QGuardGate


@dataclass(frozen=True, slots=True)
class Launch:
    """One start of one kernel. ``cmd`` and ``env`` are what the provisioner will launch; contributors change them."""

    kernel_id: str
    language: str
    cmd: list[str]
    env: dict[str, str]
    local: bool
    provisioner: Any

    @property
    def ipython(self) -> bool:
        """Whether the command is ipykernel's own: ``python -m ipykernel_launcher …``, also behind a wrapper."""
        parts = [Path(part).name for part in self.cmd]
        named = any(
            first == "-m" and second in ("ipykernel_launcher", "ipykernel") for first, second in pairwise(parts)
        )
        return self.language.lower() == "python" and (named or "ipykernel_launcher.py" in parts)


Contributor = Callable[[Launch], None]


class QGuardProvisionerFactory(KernelProvisionerFactory):
    """The factory of this process, wrapped. ``contributors`` run in order at each start."""

    contributors: list[tuple[Contributor, QGuardGate]]

    def create_provisioner_instance(self, kernel_id: str, kernel_spec: Any, parent: Any) -> Any:
        """Return the provisioner that the kernelspec asks for, with its ``pre_launch`` wrapped."""
        provisioner = super().create_provisioner_instance(kernel_id, kernel_spec, parent)
        _wrap(provisioner, kernel_id, kernel_spec, getattr(self, "contributors", []))
        return provisioner


def contribute(contributor: Contributor, gate: QGuardGate) -> None:
    """Have ``contributor`` called at each start of a kernel. Installs the wrapped factory at the first call.

    ``instance()`` of the subclass becomes the one that jupyter_client finds; a factory that some extension made
    before is turned into ours where it stands.
    """
    if KernelProvisionerFactory.initialized():
        factory: Any = KernelProvisionerFactory.instance()
        if not isinstance(factory, QGuardProvisionerFactory):
            factory.__class__ = QGuardProvisionerFactory
    else:
        factory = QGuardProvisionerFactory.instance(parent=gate.parent)
    if "contributors" not in vars(factory):
        factory.contributors = []
    factory.contributors.append((contributor, gate))


def _wrap(
    provisioner: KernelProvisionerBase, kernel_id: str, spec: Any, contributors: list[tuple[Contributor, QGuardGate]]
) -> None:
    launch_before = provisioner.pre_launch

    async def pre_launch(**named: Any) -> dict[str, Any]:
        launched = await launch_before(**named)
        cmd, env = launched.get("cmd"), launched.get("env")
        if not isinstance(cmd, list) or not isinstance(env, dict):
            return launched  # a provisioner that launches otherwise: nothing of ours reaches its kernel
        launched["cmd"], launched["env"] = cmd, env = list(cmd), dict(env)
        launch = Launch(
            kernel_id,
            str(getattr(spec, "language", "")),
            cmd,
            env,
            isinstance(provisioner, LocalProvisioner),
            provisioner,
        )
        for contributor, gate in contributors:
            try:
                contributor(launch)
            except Exception as error:  # the kernel starts all the same; its text may quote the environment
                gate.close(f"A kernel was started without its part of the guard ({type(error).__name__}).")
                gate.log.warning("jupyter-qguard: a kernel starts without the guard (%s)", type(error).__name__)
        return launched

    provisioner.pre_launch = pre_launch  # type: ignore[method-assign]
