"""Room: the append-only record of decisions. Light to import: stores load when first used."""

from jupyter_qguard.ledger.event import Event, stamp
from jupyter_qguard.ledger.ledger import Ledger

__all__ = ["Event", "Ledger", "stamp"]
