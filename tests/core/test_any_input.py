"""Any input at all becomes a definition or a list of problems, each at a place that is there and with its line."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gridmill.core.errors import Path, ProblemsError, path_text
from gridmill.documents import documents
from gridmill.load import build_definition
from gridmill.plan import plan_site
from gridmill.report.tables import site_table
from tests.conftest import ROOT

LAB: Any = yaml.safe_load((ROOT / "Pulumi.lab.yaml").read_text(encoding="utf-8"))["config"]["gridmill:site"]

EVIL = (
    "{{ lookup('pipe', 'touch /tmp/canary') }}",
    "$(touch /tmp/canary)",
    "`touch /tmp/canary`",
    "x; touch /tmp/canary",
    "a\nb",
    "-oProxyCommand=touch /tmp/canary",
    "ansible_ssh_common_args",
    "../../etc/passwd",
    "pod-a\u202e",
    "ｐｏｄ-a",
    "ß" * 64,
    "r1/u1",
    "-----BEGIN OPENSSH PRIVATE KEY----- c2VjcmV0",
    "$6$salt$hash",
    "1" * 5000,
    "0x10",
    "1e400",
    "NaN",
    "24 kW",
    "10.0.0.0/8",
    "::/0",
    "*",
    "",
)
PLAUSIBLE: tuple[Any, ...] = (
    "1 kW", "3x16A", "1 MVA", "24.11", "sim-mgmt", "gpu", "anna", "10.0.0.0/30", "fd00::/63", "Etc/UTC", 16, 25, 1.5,
    ["r1/u9"], ["r1/u63", "r1/u63"], ["r2/u1"], {"r2": {}}, {"r255": {"height": 1}}, {"pod-z": {}}, {"secure": "v1:x"},
    {"oob": {"id": 1, "network": "198.18.1.0/24"}}, {"git": "pod-a-r1-u40"}, ["controller"], ["compute", "login"],
)  # fmt: skip
"""Values that are right somewhere, so that the rules get something to say."""

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=30)
    | st.sampled_from(EVIL)
    | st.sampled_from([0, -1, 2**63, 10**400, float("nan"), float("inf"), -0.0])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12) | st.sampled_from(EVIL), inner, max_size=4)
    ),
    max_leaves=8,
)


def places(data: Any, path: Path = ()) -> Iterator[Path]:
    yield path
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield from places(value, (*path, key))


PLACES = [path for path in places(LAB) if path]


def at(data: Any, path: Path) -> Any:
    for part in path:
        data = data[part]
    return data


def is_accepted(data: Any) -> bool:
    """Whether the data is a definition; if not, every problem must have a place and a line, and be safe to print."""
    lines = {path: number for number, path in enumerate(places(data), 1)}
    try:
        definition = build_definition(data, ROOT, "Pulumi.x.yaml", lines)
    except ProblemsError as error:
        assert error.problems
        for problem in error.problems:
            assert problem.path in lines or problem.path[:-1] in lines, problem
            assert problem.line is not None
            assert problem.message
            text = str(problem)
            assert all(character.isprintable() or character == "\n" for character in text), ascii(text)
            assert "c2VjcmV0" not in text and len(text) < 3000
        return False
    plan = plan_site(definition)
    assert documents(plan) and site_table(plan)
    return True


@settings(max_examples=100)
@given(VALUES)
def test_anything_for_a_site(data: Any) -> None:
    assert not is_accepted(data)


@settings(max_examples=300)
@given(st.sampled_from(PLACES), VALUES | st.sampled_from(PLAUSIBLE))
@example(("network", "supernet"), "255.255.255.0/24")
@example(("network", "supernet6"), "ffff:ffff:ffff::/48")
@example(("pods", "pod-a", "index"), 4095)
@example(("pods", "pod-a", "racks"), {"r255": {}})
def test_anything_in_any_place(path: Path, value: Any) -> None:
    data = copy.deepcopy(LAB)
    at(data, path[:-1])[path[-1]] = value
    is_accepted(data)


@settings(max_examples=100)
@given(st.sampled_from([path for path in [(), *PLACES] if isinstance(at(LAB, path), dict)]), st.data())
def test_anything_added_or_taken_away(path: Path, draw: st.DataObject) -> None:
    data = copy.deepcopy(LAB)
    target = at(data, path)
    if target and draw.draw(st.booleans()):
        del target[draw.draw(st.sampled_from(sorted(target)))]
    target[draw.draw(st.text(max_size=12) | st.sampled_from(EVIL))] = draw.draw(VALUES | st.sampled_from(PLAUSIBLE))
    is_accepted(data)


def test_the_lab_itself_is_a_definition() -> None:
    assert is_accepted(LAB)


@pytest.mark.parametrize("part", sorted(LAB))
def test_rules_speak_of_what_is_typed_whatever_else_is_wrong(part: str) -> None:
    """A connection that is too small and an admin that no account knows show even when another part has no type."""
    data = copy.deepcopy(LAB)
    data["grid"]["connection"] = "3x16A"
    data["scheduler"]["accounts"]["research"]["users"] = ["bob"]
    data[part] = ["no part of a site"]
    with pytest.raises(ProblemsError) as caught:
        build_definition(data, ROOT)
    found = {problem.path for problem in caught.value.problems}
    assert (part,) in found
    needs = {"grid": {"grid", "pods", "name", "power"}, "scheduler": {"scheduler", "access", "pods", "name"}}
    for owner, parts in needs.items():
        assert any(path[0] == owner and len(path) > 1 for path in found) is (part not in parts), (owner, found)


@pytest.mark.parametrize(
    "where", [("operator", "name"), ("access", "bootstrap", "identityFile"), ("pods", "pod-a", "budget")]
)
@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("-----BEGIN RSA PRIVATE KEY----- hunter2", "this is a private key"),
        ("$y$j9T$hunter2$hunter2", "this is the hash of a password"),
        ({"secure": "v1:hunter2"}, "a secret inside the site object"),
    ],
)
def test_a_secret_is_named_and_never_shown(where: Path, value: Any, message: str) -> None:
    data = copy.deepcopy(LAB)
    at(data, where[:-1])[where[-1]] = value
    with pytest.raises(ProblemsError) as caught:
        build_definition(data, ROOT)
    assert [problem.message for problem in caught.value.problems if problem.path == where] == [message]
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "key", ["password", "rootPassword", "breakGlassPasswordHash", "token", "privateKey", "mungeKey"]
)
def test_a_key_for_a_secret_is_told_where_secrets_go(key: str) -> None:
    data = copy.deepcopy(LAB)
    data["access"][key] = "hunter2"
    with pytest.raises(ProblemsError) as caught:
        build_definition(data, ROOT)
    (problem,) = caught.value.problems
    assert problem.message == "unknown key" and "pulumi config set --secret" in problem.hint
    assert "hunter2" not in str(problem)


@pytest.mark.parametrize("where", [path for path in PLACES if isinstance(at(LAB, path), str)], ids=path_text)
def test_ten_megabytes_of_text_are_refused_at_once(where: Path) -> None:
    data = copy.deepcopy(LAB)
    at(data, where[:-1])[where[-1]] = "a" * 10_000_000
    started = time.monotonic()
    assert not is_accepted(data)
    assert time.monotonic() - started < 5


def test_ten_megabytes_of_a_key_are_refused_at_once() -> None:
    started = time.monotonic()
    for where in (("access",), ("access", "admins"), ("pods",), ("pods", "pod-a", "racks"), ("network", "records")):
        data = copy.deepcopy(LAB)
        data["network"]["records"] = {}
        at(data, where)["a" * 10_000_000] = {}
        assert not is_accepted(data)
    assert time.monotonic() - started < 10
