"""The command line face: ``qguard``."""
