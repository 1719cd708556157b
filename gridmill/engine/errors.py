"""The one error of the set-up."""

from __future__ import annotations


class SetupError(Exception):
    """Something cannot be set up; the text says what is missing and what to do."""
