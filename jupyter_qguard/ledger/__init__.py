"""The ledger room: the record of every decision."""
