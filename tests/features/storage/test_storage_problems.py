"""Bad storage, each with its exact problem: path, line of the text that was changed, message, and hint."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridmill.core.errors import path_text
from tests.core.test_problems import Case, changed, line_of, problems_of

HOME = "home: {kind: moosefs, servedBy: store, replicas: 1, quota: {default: 50 MB, users: {anna: 100 MB}}}"
SCRATCH = "scratch: {kind: moosefs, servedBy: store, replicas: 1, mount: /scratch}"
EXTERNAL = "scratch: {kind: external, type: nfs4, source: 'filer.example:/export', clients: [store]"
AT = "storage.volumes.scratch"

CASES = [
    Case("no group", SCRATCH, "scratch: {kind: moosefs, replicas: 1}", f"{AT}.servedBy", "missing", "add it"),
    Case("unknown group", SCRATCH, "scratch: {kind: moosefs, servedBy: stores, replicas: 1}", f"{AT}.servedBy",
         "stores is not a group of any pod", "name a group whose service is storage"),
    Case("group without storage", SCRATCH, "scratch: {kind: moosefs, servedBy: gpu, replicas: 1}", f"{AT}.servedBy",
         "gpu has no storage nodes", "name a group whose service is storage"),
    Case("more copies than nodes", SCRATCH, "scratch: {kind: moosefs, servedBy: store}", f"{AT}.replicas",
         "2 copies need 2 nodes, and store has 1", "write `replicas: 1`, knowing that one disk holds the only copy"),
    Case("NFS in a container", SCRATCH, "scratch: {kind: nfs, servedBy: store, clients: [store]}", f"{AT}.servedBy",
         "sim-store has no NFS or CephFS of its own kernel (platform.fileSystems: fuse)", "moosefs, or other nodes"),
    Case("NFS filer from a container", SCRATCH, EXTERNAL + "}", f"{AT}.kind",
         "sim-store has no NFS or CephFS of its own kernel (platform.fileSystems: fuse)",
         "name the groups that can under `clients`, or use moosefs"),
    Case("Lustre without kernel modules", SCRATCH,
         "scratch: {kind: external, type: lustre, source: '10.0.0.1@tcp:/scratch', clients: [gpu]}", f"{AT}.kind",
         "sim-dgx-h100 takes no kernel modules (platform.kernelModules: none)",
         "name the groups that can under `clients`, or use moosefs"),
    Case("unknown kind", SCRATCH, "scratch: {kind: zfs}", f"{AT}.kind", "`zfs` is not valid"),
    Case("master elsewhere", "      volumes:\n", "      servers: {store: {master: pod-a-r1-u01}}\n      volumes:\n",
         "storage.servers.store.master", "pod-a-r1-u01 is not a node of store", "", "pod-a-r1-u01"),
    Case("several nodes without a master", "at: [r1/u38]", "at: [r1/u38, r1/u36]", "storage.servers.store.master",
         "store has several nodes, and none is the master",
         "`store: {master: pod-a-r1-u36}` under storage.servers", "    storage:"),
    Case("servers that serve nothing", "      volumes:\n", "      servers: {gpu: {}}\n      volumes:\n",
         "storage.servers.gpu", "gpu has no storage nodes", "", "gpu: {}}"),
    Case("data in the system's directories", "      volumes:\n",
         "      servers: {store: {directories: [/var/lib/x]}}\n      volumes:\n", "storage.servers.store.directories[0]",
         "/var/lib/x belongs to the system", "/srv/gridmill", "/var/lib/x"),
    Case("data twice on one disk", "      volumes:\n",
         "      servers: {store: {directories: [/data, /data/b]}}\n      volumes:\n",
         "storage.servers.store.directories[1]", "/data/b lies in /data", "remove it", "/data/b"),
    Case("formatting", "      volumes:\n", "      servers: {store: {format: xfs}}\n      volumes:\n",
         "storage.servers.store.format", "unknown key", "remove it", "format"),
    Case("mount at the root", "mount: /scratch", "mount: /", f"{AT}.mount", "`/` is not valid"),
    *[Case(f"mount at {path}", "mount: /scratch", f"mount: {path}", f"{AT}.mount",
           f"{path} lies in {system}, which belongs to the system", "/shared/scratch")
      for path, system in (("/etc", "/etc"), ("/usr/local/data", "/usr"), ("/var/lib/gridmill", "/var"),
                           ("/tmp", "/tmp"), ("/proc", "/proc"), ("/run/x", "/run"))],
    Case("mount that hides others' places", "mount: /scratch", "mount: /srv", f"{AT}.mount",
         "/srv would hide what the system keeps there", "/shared/scratch"),
    Case("mount twice", "mount: /scratch", "mount: /shared/home", f"{AT}.mount",
         "/shared/home and /shared/home of home would hide one another", "/shared/scratch"),
    Case("mount inside another", "mount: /scratch", "mount: /shared/home/x", f"{AT}.mount",
         "/shared/home/x and /shared/home of home would hide one another", "/shared/scratch"),
    Case("mount above another", "mount: /scratch", "mount: /shared", f"{AT}.mount",
         "/shared and /shared/home of home would hide one another", "/shared/scratch"),
    Case("mount with dots", "mount: /scratch", "mount: /a/../etc", f"{AT}.mount", "`/a/../etc` is not valid"),
    Case("mount with a template", "mount: /scratch", 'mount: "/{{ 7*7 }}"', f"{AT}.mount", "`/{{ 7*7 }}` is not valid"),
    Case("mount with a new line", "mount: /scratch", 'mount: "/a\\nb"', f"{AT}.mount", "`/a\\nb` is not valid"),
    Case("mount with a specifier", "mount: /scratch", 'mount: "/%h"', f"{AT}.mount", "`/%h` is not valid"),
    *[Case(f"option {option}", SCRATCH, SCRATCH.replace("}", f', options: ["{option}"]}}'), f"{AT}.options[0]",
           f"`{option}` is not valid")
      for option in ("x;touch y", "$(touch x)", "{{ 7*7 }}", "a=b c", "a=b,c=d", "x\\ny", "-o x")],
    Case("option with a password", SCRATCH, SCRATCH.replace("}", ", options: [password=hunter2]}"), f"{AT}.options[0]",
         "password holds a secret", "an option that names a file which only root can read, such as secretfile="),
    Case("option with a key", SCRATCH, SCRATCH.replace("}", ", options: [mfsmd5pass=0123]}"), f"{AT}.options[0]",
         "mfsmd5pass holds a secret", "an option that names a file which only root can read, such as secretfile="),
    Case("option of ours", SCRATCH, SCRATCH.replace("}", ", options: [suid]}"), f"{AT}.options[0]",
         "suid is decided by Gridmill", "remove it"),
    Case("read-only by option", SCRATCH, SCRATCH.replace("}", ", options: [ro]}"), f"{AT}.options[0]",
         "ro is decided by Gridmill", "readOnly: true"),
    Case("quota larger than the volume", HOME, HOME.replace("replicas: 1", "replicas: 1, size: 60 MB"),
         "storage.volumes.home.quota.users.anna", "larger than the volume", "a smaller quota"),
    Case("quota of nobody", "users: {anna: 100 MB}", "users: {bob: 100 MB}", "storage.volumes.home.quota.users.bob",
         "unknown user bob", "add the person under access"),
    Case("quota without unit", "default: 50 MB", "default: 50", "storage.volumes.home.quota.default",
         "50 is not a quantity", "write the unit: 50 MB"),
    Case("quota where nobody has a directory", SCRATCH, SCRATCH.replace("}", ", quota: {default: 1 GB}}"), f"{AT}.quota",
         "quotas are kept per user's directory, and this volume has none",
         "`holds: users`, or `size` for the whole volume"),
    Case("quota of NFS", SCRATCH, "scratch: {kind: nfs, servedBy: store, holds: users, quota: {default: 1 GB}}", f"{AT}.quota",
         "a volume of kind nfs has no quota", "MooseFS has quotas; of NFS, ask the exported file system"),
    Case("two homes", SCRATCH, SCRATCH.replace("}", ", holds: homes}"), f"{AT}.holds", "home holds the homes already",
         "holds: users"),
    Case("external without source", SCRATCH, "scratch: {kind: external, type: lustre}", f"{AT}.source", "missing",
         "add it"),
    Case("external of another notation", SCRATCH, "scratch: {kind: external, type: lustre, source: filer.example/x}",
         f"{AT}.source", "filer.example/x is not a source of lustre"),
    Case("external with shell", SCRATCH, 'scratch: {kind: external, type: nfs4, source: "a:/$(touch x)"}', f"{AT}.source",
         "`a:/$(touch x)` is not valid"),
    Case("external served by us", SCRATCH, EXTERNAL + ", servedBy: store}", f"{AT}.servedBy", "a volume of kind external has no servedBy",
         "remove it"),
    Case("source of our own volume", SCRATCH, SCRATCH.replace("}", ", source: 'a:/b'}"), f"{AT}.source",
         "a volume of kind moosefs has no source", "remove it"),
    Case("unknown client", SCRATCH, SCRATCH.replace("}", ", clients: [gpus]}"), f"{AT}.clients[0]",
         "gpus is not a group of any pod"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_storage_names_its_problem(case: Case, tmp_path: Path) -> None:
    text = changed(case.old, case.new)
    problems = problems_of(text, tmp_path)
    found = [problem for problem in problems if path_text(problem.path) == case.path]
    assert len(found) == 1, [str(problem) for problem in problems]
    assert (found[0].message, found[0].hint) == (case.message, case.hint)
    assert found[0].line == line_of(text, case.line_of or case.new.splitlines()[0])


def test_a_password_is_not_shown(tmp_path: Path) -> None:
    text = changed(SCRATCH, SCRATCH.replace("}", ", options: [password=hunter2]}"))
    assert "hunter2" not in "\n".join(str(problem) for problem in problems_of(text, tmp_path))
