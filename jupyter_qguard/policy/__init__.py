"""The policy room: findings and context in, decision out."""
