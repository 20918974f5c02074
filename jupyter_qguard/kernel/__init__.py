"""What runs inside a user's kernel. Standard library only, Python 3.8 syntax, nothing of this package imported.

The kernel may live in another environment: the server hands it the path of a file here, never an import.
"""
