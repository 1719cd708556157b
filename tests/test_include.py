"""Parts of a definition in files beside the stack: joined as if they stood in it, and refused with file and line."""

from __future__ import annotations

import copy
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from gridmill import include
from gridmill.core.errors import Place, ProblemsError, path_text
from gridmill.documents import documents
from gridmill.kernel.definition import Definition
from gridmill.load import LARGEST_CONFIGURATION, build_definition, load_definition
from gridmill.operations.preview.approved_plan import contents
from gridmill.plan import plan_site
from tests.conftest import PLAIN_LAB, ROOT

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJGd41lXzdougWj52V4d4JqdrNABLVdjYs52g2k6oLJ+"
PEOPLE = f"""# who runs jobs
access:
  users:
    berta: {{uid: 3001, keys: [{KEY}]}}
"""
STACK = PLAIN_LAB.replace("    name: lab\n", "    name: lab\n    include: [people.yaml]\n")


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """The folder of a site's own files, with the lab's SKUs."""
    found = tmp_path / "inventories" / "lab"
    found.mkdir(parents=True)
    (found / "skus").symlink_to(ROOT / "inventories" / "lab" / "skus")
    return found


def write(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def load(beside: Path, text: str = STACK) -> Definition:
    return load_definition(write(beside.parents[1] / "Pulumi.lab.yaml", text))


def problems(beside: Path, text: str = STACK) -> list[tuple[str, int | None, str, str]]:
    with pytest.raises(ProblemsError) as caught:
        load(beside, text)
    return [(one.file, one.line, path_text(one.path), one.message) for one in caught.value.problems]


def test_a_part_means_what_it_would_mean_in_the_stack_file(beside: Path) -> None:
    write(beside / "people.yaml", PEOPLE)
    found = load(beside)
    lines = "".join(f"    {line}\n" for line in PEOPLE.splitlines()[2:])
    whole = load(beside, PLAIN_LAB.replace("      bootstrap:\n", f"{lines}      bootstrap:\n"))
    assert documents(plan_site(found)) == documents(plan_site(whole))
    assert found.data["access"]["users"] == whole.data["access"]["users"]
    assert "users" not in found.own["access"] and found.own["include"] == ["people.yaml"], "what Pulumi has"
    assert build_definition(found.own, beside.parents[1]).site == found.site
    assert build_definition(found.data, beside.parents[1]).site == found.site, "joined once, it stands for itself"


def test_folders_in_their_order_and_whole_pods(beside: Path) -> None:
    text = PLAIN_LAB.replace("    name: lab\n", "    name: lab\n    include: [pods/, more/people.yaml]\n")
    head, _, pod = text.partition("    pods:\n")
    pod, _, tail = pod.partition("encryptionsalt")
    pods = "pods:\n" + "".join(f"{line[4:]}\n" for line in pod.splitlines())
    write(beside / "pods" / "a.yaml", pods)
    write(beside / "pods" / ".a.yaml.swp", b"\xff")
    write(beside / "pods" / "README.md", "of the pods")
    write(beside / "more" / "people.yaml", PEOPLE)
    found = load(beside, f"{head}encryptionsalt{tail}")
    assert found.data == {
        **load(beside, PLAIN_LAB).data,
        "access": {**found.own["access"], "users": yaml.safe_load(PEOPLE)["access"]["users"]},
    }


def test_problems_of_types_and_rules_name_the_file_in_which_they_stand(beside: Path) -> None:
    write(beside / "people.yaml", PEOPLE.replace("3001", "1").replace("    berta", "    anna: {uid: 2002}\n    berta"))
    write(beside / "b.yaml", "pods:\n  pod-a:\n    racks:\n      r2: {}\n  pod-b:\n    nodes: {}\n")
    found = problems(beside, STACK.replace("people.yaml", "people.yaml, b.yaml").replace("24 kW", "24"))
    people = "inventories/lab/people.yaml"
    assert (people, 4, "access.users.anna.keys", "missing") in found
    assert (people, 5, "access.users.berta.uid", "`1` is not valid") in found
    assert ("inventories/lab/b.yaml", 5, "pods.pod-b.budget", "missing") in found
    assert any(file == "Pulumi.lab.yaml" and place == "pods.pod-a.budget" for file, _, place, _ in found)
    write(beside / "people.yaml", PEOPLE.replace("3001", "2001"))
    assert problems(beside) == [(people, 4, "access.users.berta.uid", "user ID 2001 is also that of anna")]


def test_what_stands_twice_names_both_places(beside: Path) -> None:
    write(beside / "people.yaml", PEOPLE + "  admins:\n    anna: {uid: 5000}\nkernel: {}\n")
    write(beside / "more.yaml", "access:\n  users:\n    berta: {uid: 3002}\nsoftware: debian-13\n")
    found = problems(beside, STACK.replace("people.yaml", "people.yaml, more.yaml"))
    assert found == [
        ("inventories/lab/more.yaml", 3, "access.users.berta.uid",
         "stands twice, here and in inventories/lab/people.yaml:4"),
        ("inventories/lab/more.yaml", 4, "software", "stands twice, here and in Pulumi.lab.yaml:25"),
        ("inventories/lab/people.yaml", 6, "access.admins.anna.uid", "stands twice, here and in Pulumi.lab.yaml:18"),
    ]  # fmt: skip


def test_what_belongs_into_the_stack_file_stays_there(beside: Path) -> None:
    write(beside / "people.yaml", f"name: other\nschemaVersion: 1\ninclude: [more.yaml]\n{PEOPLE}")
    assert [(line, message) for _, line, _, message in problems(beside)] == [
        (1, "name belongs into the stack file"),
        (2, "schemaVersion belongs into the stack file"),
        (3, "include belongs into the stack file"),
    ]


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        ("access: [", 2, "not YAML: "),
        ("access:\n  users: &x {}\n  admins: *x\n", 3, "alias *x"),
        ("access: !!python/object:os.system x\n", 1, "tag "),
        ("access:\n  users: {}\n  users: {}\n", 2, "key stands twice, in lines 2 and 3"),
        ("[" * 3000, 1, "n"),
        ("x: '" + "x" * 4_000_001 + "'", None, "4000001 characters are too many"),
        (b"\xff\xfe", None, "cannot be read: not UTF-8"),
        ("", 1, "holds no part of a definition"),
        ("# only words\n", 1, "holds no part of a definition"),
        ("- access\n", 1, "holds no part of a definition"),
        ("just a text", 1, "holds no part of a definition"),
        ("{}", 1, "holds no part of a definition"),
        ("acess: {}\n", 1, "unknown key"),
        ("access:\n  users:\n    berta: {uid: 3001, keys: [\"-----BEGIN PRIVATE KEY----- c2VjcmV0\"]}\n", 3,
         "this is a private key"),
    ],
)  # fmt: skip
def test_bad_content_is_refused_with_its_line(
    beside: Path, content: str | bytes, line: int | None, message: str
) -> None:
    write(beside / "people.yaml", content)
    found = problems(beside)
    assert "c2VjcmV0" not in str(found)
    assert [one[:2] for one in found] == [("inventories/lab/people.yaml", line)]
    assert found[0][3].startswith(message), found


def test_a_secret_in_a_part_is_refused_like_one_in_the_stack(beside: Path) -> None:
    write(beside / "people.yaml", "access:\n  users:\n    secure: v1:abc\n")
    assert problems(beside)[0] == ("inventories/lab/people.yaml", 2, "access.users", "a secret inside the site object")


def outside(beside: Path) -> None:
    (beside / "people.yaml").symlink_to(write(beside.parents[2] / f"{beside.parents[1].name}.yaml", PEOPLE))


def folder_outside(beside: Path) -> None:
    (beside / "more").symlink_to(write(beside.parents[1] / "elsewhere" / "a.yaml", PEOPLE).parent)


def file_of_a_folder_outside(beside: Path) -> None:
    (beside / "more").mkdir()
    (beside / "more" / "a.yaml").symlink_to(write(beside.parents[1] / "x.yaml", PEOPLE))


def circle(beside: Path) -> None:
    (beside / "people.yaml").symlink_to(beside / "people.yaml")


def pipe(beside: Path) -> None:
    os.mkfifo(beside / "people.yaml")


def twice(beside: Path) -> None:
    write(beside / "people.yaml", PEOPLE)


@pytest.mark.parametrize(
    ("entries", "made", "message"),
    [
        ("people.yaml", lambda beside: None, "inventories/lab/people.yaml does not exist"),
        ("more/", lambda beside: None, "inventories/lab/more/ does not exist"),
        ("more/", lambda beside: (beside / "more").mkdir(), "inventories/lab/more/ holds no file that ends with .yaml"),
        ("more/", lambda beside: write(beside / "more", ""), "inventories/lab/more/ is no folder"),
        ("more.yaml", lambda beside: (beside / "more.yaml").mkdir(), "inventories/lab/more.yaml is a folder"),
        ("more/", lambda beside: [write(beside / "more" / f"a.{end}", PEOPLE) for end in ("yaml", "yml")],
         "inventories/lab/more/a.yml is not read"),
        ("people.yaml", outside, "inventories/lab/people.yaml leads out of inventories/lab"),
        ("more/", folder_outside, "inventories/lab/more/ leads out of inventories/lab"),
        ("more/", file_of_a_folder_outside, "inventories/lab/more/a.yaml leads out of inventories/lab"),
        ("people.yaml", circle, ""),
        ("people.yaml", pipe, "inventories/lab/people.yaml is no file"),
        ("people.yaml, people.yaml", twice, "inventories/lab/people.yaml is included already, as "),
        ("skus/", lambda beside: None, "inventories/lab/skus/ holds something else"),
        ("keys/x.yaml", lambda beside: None, "inventories/lab/keys/x.yaml holds something else"),
        ("../lab/people.yaml", twice, "`../lab/people.yaml` is not valid"),
        ("more/../people.yaml", twice, "`more/../people.yaml` is not valid"),
        ("/etc/passwd", lambda beside: None, "`/etc/passwd` is not valid"),
        ("~/people.yaml", lambda beside: None, "`~/people.yaml` is not valid"),
        (".people.yaml", lambda beside: None, "`.people.yaml` is not valid"),
        ("people.yml", lambda beside: None, "`people.yml` is not valid"),
        ("people.json", lambda beside: None, "`people.json` is not valid"),
        ("'people.yaml\\0'", lambda beside: None, "`people.yaml\\0` is not valid"),
        ("5", lambda beside: None, "`5` is not valid"),
        ("''", lambda beside: None, "`` is not valid"),
    ],
)  # fmt: skip
def test_bad_entries_are_refused_with_their_place(beside: Path, entries: str, made: Any, message: str) -> None:
    made(beside)
    (found,) = problems(beside, STACK.replace("include: [people.yaml]", f"include: [{entries}]"))
    assert found[3].startswith(message), found
    assert found[:3] == ("Pulumi.lab.yaml", 7, "include[1]" if ", " in entries else "include[0]")


def test_all_entries_are_named_at_once_and_a_list_that_is_none_by_its_type(beside: Path) -> None:
    found = problems(beside, STACK.replace("[people.yaml]", "[a.yaml, b/, ../c.yaml]"))
    assert [place for _, _, place, _ in found] == ["include[0]", "include[1]", "include[2]"]
    found = problems(beside, STACK.replace("[people.yaml]", "people.yaml"))
    assert [(place, message) for _, _, place, message in found] == [("include", "`people.yaml` is not valid")]
    with pytest.raises(ProblemsError) as caught:
        load(beside, STACK.replace("name: lab", "name: ../lab"))
    assert [path_text(problem.path) for problem in caught.value.problems] == ["name"]


def test_limits_of_number_and_size(beside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        write(
            beside / "people" / f"{number}.yaml", PEOPLE.replace("berta", f"b{number}").replace("3001", f"300{number}")
        )
    text = STACK.replace("people.yaml", "people/")
    assert len(load(beside, text).site.access.users) == 5
    monkeypatch.setattr(include, "MAXIMUM_FILES", 3)
    assert [message for *_, message in problems(beside, text)] == ["more than 3 files"]
    monkeypatch.setattr(include, "MAXIMUM_TOTAL", 300)
    (found,) = problems(beside, text)
    assert found[2] == "include" and "are too many" in found[3]


def test_a_stack_that_is_too_large_says_how_to_part_it(beside: Path) -> None:
    users = {f"u{number}": {"uid": 3000 + number, "keys": [KEY]} for number in range(1000)}
    data = copy.deepcopy(yaml.safe_load(PLAIN_LAB))
    data["config"]["gridmill:site"]["access"]["users"] = users
    with pytest.raises(ProblemsError) as caught:
        load(beside, yaml.safe_dump(data))
    assert "include: [people.yaml]" in caught.value.problems[0].hint


def test_ten_thousand_people_and_machines_in_seconds(beside: Path) -> None:
    """10,000 users, and serial numbers of 10,000 machines in 100 pods, one file each."""
    data = copy.deepcopy(yaml.safe_load(PLAIN_LAB)["config"]["gridmill:site"])
    data |= {"include": ["people.yaml", "pods/"], "grid": {"connection": "900 MVA", "pue": 1.25}}
    data["network"] = {"supernet": "10.0.0.0/8", "podPrefix": 19, "domain": "lab.example"}
    users = {f"u{number:05}": {"uid": 3000 + number, "keys": [KEY]} for number in range(10_000)}
    write(beside / "people.yaml", yaml.dump({"access": {"users": users}}, Dumper=yaml.CSafeDumper))
    for pod in range(10, 110):
        slots = [f"r{rack}/u{unit}" for rack in range(1, 26) for unit in (1, 9, 17, 25)]
        part = {
            "budget": "1.2 MW",
            "racks": {f"r{rack}": {} for rack in range(1, 26)},
            "nodes": {"gpu": {"sku": "sim-dgx-h100", "at": slots}},
            "machines": {slot: {"serial": f"S{pod:03}{number:03}"} for number, slot in enumerate(slots)},
        }
        write(beside / "pods" / f"p{pod}.yaml", yaml.dump({"pods": {f"p{pod}": part}}, Dumper=yaml.CSafeDumper))
    assert len(json.dumps(json.dumps(data))) < LARGEST_CONFIGURATION
    started = time.process_time()
    found = load(beside, yaml.safe_dump({"config": {"gridmill:site": data}}))
    took = time.process_time() - started
    assert len(found.site.access.users) == 10_000 and len(found.machines) == 10_000
    assert sum(len(pod.nodes["gpu"].at) for pod in found.site.pods.values()) == 10_002
    assert took < 30, took
    place = found.lines["access", "users", "u09999", "uid"]
    assert isinstance(place, Place) and copy.deepcopy(place).file == place.file == "inventories/lab/people.yaml"


def test_an_approved_plan_is_bound_to_these_files(tmp_path: Path) -> None:
    for name in (
        "Pulumi.lab.yaml",
        "playbooks/pod.yml",
        "playbooks/roles/base/tasks/main.yml",
        "inventories/lab/people.yaml",
    ):
        write(tmp_path / name, "x")
    before = contents("lab", tmp_path)
    write(tmp_path / "inventories" / "lab" / "people.yaml", "y")
    after = contents("lab", tmp_path)
    assert {label for label in after if after[label] != before[label]} == {"inventories/lab/people.yaml"}
    write(tmp_path / "inventories" / "lab" / "pods" / "a.yaml", "z")
    assert set(contents("lab", tmp_path)) - set(after) == {"inventories/lab/pods/a.yaml"}


@pytest.mark.parametrize("name", ["github", "forgejo", "gitlab"])
def test_pipelines_run_when_such_a_file_changes(name: str) -> None:
    text = (ROOT / "ci" / f"{name}.yml").read_text(encoding="utf-8")
    assert '"inventories/**"' in text or '"inventories/**/*"' in text
