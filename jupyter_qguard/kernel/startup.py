"""Run by IPython in the user's namespace before the first cell (PYTHONSTARTUP). Leaves no name behind.

Loads history.py beside it as a module of its own, then runs the start-up file that the user had configured.
"""


def _qguard_start(here: str) -> None:
    import os
    import sys
    from importlib.machinery import SourceFileLoader
    from types import ModuleType

    original = os.environ.pop("QGUARD_PYTHONSTARTUP", "")
    if original:
        os.environ["PYTHONSTARTUP"] = original
    elif os.environ.get("PYTHONSTARTUP") == here:
        del os.environ["PYTHONSTARTUP"]
    try:
        loader = SourceFileLoader("_qguard_history", os.path.join(os.path.dirname(here), "history.py"))
        module = ModuleType("_qguard_history")
        loader.exec_module(module)
        module.start()
    except Exception as error:  # a kernel must start whatever happens here
        sys.stderr.write("jupyter-qguard: nothing is kept in IPython's history: {}\n".format(type(error).__name__))
    if not os.path.isfile(original):
        return
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None:
        shell.safe_execfile(original, shell.user_ns, raise_exceptions=True)
    else:  # a plain interpreter that inherited the variable
        with open(original, "rb") as stream:
            exec(compile(stream.read(), original, "exec"), globals())


try:
    _qguard_start(__file__)
finally:
    del _qguard_start
