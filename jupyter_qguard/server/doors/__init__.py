"""Doors through which content is written."""
