"""What an exporter makes of a notebook: the one core behind the server, the shell and ``qguard export``.

``core`` and ``failures`` know exporters by their methods alone; nbconvert is imported in ``exporters`` (by name, when
asked) and ``shell`` (inside ``jupyter nbconvert``), so that a server starts without it.
"""
