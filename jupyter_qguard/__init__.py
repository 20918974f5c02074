"""Keep credentials out of notebooks."""

__version__ = "0.1.0"


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Tell JupyterLab where the prebuilt lab extension lies."""
    return [{"src": "labextension", "dest": "jupyter-qguard"}]


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    """Tell Jupyter Server which module links and loads; imported only when it does."""
    return [{"module": "jupyter_qguard.server.extension", "name": "jupyter_qguard"}]
