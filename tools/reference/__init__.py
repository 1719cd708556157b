"""The generated reference in docs/reference/: every page from the code that it describes, so that it can't go stale."""
