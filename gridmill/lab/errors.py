"""The one exception the lab raises for a person to read."""

from __future__ import annotations


class LabError(Exception):
    """Something that stops the lab; `hint` says what to do about it."""

    def __init__(self, message: str, hint: str = "") -> None:
        """Keep the message and the hint apart, so that the command line can lay them out."""
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Message, and the hint on a line of its own."""
        return f"{self.message}\n  {self.hint}" if self.hint else self.message
