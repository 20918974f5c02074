"""The ledger of one data folder with everything it needs: its signing key, and where policy wants heads kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jupyter_qguard import paths
from jupyter_qguard.broker.signing import SigningKey
from jupyter_qguard.ledger.heads import Heads
from jupyter_qguard.ledger.ledger import Ledger
from jupyter_qguard.settings import Policies

__all__ = ["opened"]


def opened(env: Mapping[str, str], policies: Policies | None, *, data_dir: Path | None = None) -> Ledger:
    """Return the ledger that records decisions and signs its heads; nothing is opened until used.

    Without ``policies`` heads go to the data folder alone.
    """
    data = data_dir or paths.data_dir(env)
    places = (lambda: policies.heads) if policies is not None else tuple
    return Ledger(data, env=env, heads=Heads(data, SigningKey(data, env), env, places=places))
