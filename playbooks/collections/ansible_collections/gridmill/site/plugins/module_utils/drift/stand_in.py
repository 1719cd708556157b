"""Stands for AnsibleModule when the drift check calls a module in check mode, within its own process."""

from __future__ import annotations

from typing import Any, NoReturn


class Ended(Exception):  # noqa: N818 - how a module ends, well or not
    """What a module handed back."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__()
        self.answer = answer


class AnsibleModule:
    """Has the arguments of the call that is checked; always in check mode."""

    given: dict[str, Any] = {}  # noqa: RUF012 - set before each call

    def __init__(self, **_: Any) -> None:
        self.params = dict(self.given)
        self.check_mode = True

    def warn(self, text: str) -> None:
        """Warnings are for whoever runs the role."""

    def exit_json(self, **answer: Any) -> NoReturn:
        raise Ended(answer)

    def fail_json(self, **answer: Any) -> NoReturn:
        raise Ended({**answer, "failed": True})
