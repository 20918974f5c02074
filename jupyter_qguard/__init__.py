"""Keep credentials out of notebooks."""

__version__ = "0.1.0"
