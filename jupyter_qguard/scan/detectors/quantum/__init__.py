"""Quantum vendors, one file per family."""
