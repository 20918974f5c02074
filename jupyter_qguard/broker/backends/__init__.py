"""Stores that can hold a value."""
