"""``python -m jupyter_qguard`` is ``qguard``."""

from jupyter_qguard.cli.main import main

if __name__ == "__main__":
    main()
