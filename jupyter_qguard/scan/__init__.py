"""The scan room: text in, findings out. Pure."""
