"""What a host makes of an expression over results is what Ansible makes of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.gridmill.site.plugins.module_utils.bundle.deferred import DeferredExpressionError, value

from gridmill.operations.bundle.expressions import Tree, tree_of

RESULTS: dict[str, Any] = {
    "__a": {"changed": True, "installed": ["slurmd=24.11", "age=1"], "pending": False},
    "__b": {"changed": False, "skipped": True},
    "__c": {"changed": False, "results": [{"changed": True}, {"changed": False}], "rc": 3},
}
EXPRESSIONS = [
    "__a is changed",
    "__b is changed or __a is changed",
    "__b is changed and __missing is changed",
    "__a is not changed",
    "not __a.pending",
    "not __b.pending | default(false)",
    "__a.installed | select('match', 'slurmd=') | list | length > 0",
    "__a.installed | select('match', 'slurm-client') | list | length > 0",
    "__c.results[1] is changed",
    "__c.rc == 3 and __c['rc'] != 4",
    "__b is skipped and __a is succeeded",
    "__missing is defined",
    "'age=1' in __a.installed",
    "__b.pending | default(true) | bool",
]


def name(text: str) -> Tree:
    return ["result", text]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_as_ansible_has_it(expression: str) -> None:
    text = f"{{{{ {expression} }}}}"
    expected = Templar(DataLoader(), variables=RESULTS).template(trust_as_template(text))
    tree = json.loads(json.dumps(tree_of(text, name)))
    assert value(tree, RESULTS) is bool(expected)


@pytest.mark.parametrize("expression", ["__missing is changed", "__missing.rc > 1", "not __b.pending"])
def test_what_is_undefined_has_no_value(expression: str) -> None:
    with pytest.raises(DeferredExpressionError, match="undefined"):
        value(tree_of(f"{{{{ {expression} }}}}", name), RESULTS)
