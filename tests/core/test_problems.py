"""Bad definitions, each with its exact problems: path, line of the text that was changed, message, and hint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from gridmill.core.errors import Problem, ProblemsError, path_text
from gridmill.load import load_definition
from tests.conftest import PLAIN_LAB, ROOT

LAB = PLAIN_LAB


@dataclass(frozen=True)
class Case:
    name: str
    old: str
    new: str
    path: str
    message: str
    hint: str = ""
    line_of: str = ""
    """Text in the line that the problem must name; by default `new`."""
    also: tuple[tuple[str, str], ...] = ()
    """More changes of the text."""


BEFORE_BOOTSTRAP = "      bootstrap:\n"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJGd41lXzdougWj52V4d4JqdrNABLVdjYs52g2k6oLJ"

CASES = [
    Case("unknown key", "    grid: {connection: 3x63A, pue: 1.25}", "    gird: {connection: 3x63A, pue: 1.25}", "gird",
         "unknown key", "did you mean `grid`?"),
    Case("unknown key deep", "budget: 24 kW", "budget: 24 kW\n        bugdet: 1 kW", "pods.pod-a.bugdet", "unknown key",
         "did you mean `budget`?", "bugdet"),
    Case("other schema", "schemaVersion: 2", "schemaVersion: 3", "schemaVersion", "`3` is not valid"),
    Case("schema as text", "schemaVersion: 2", 'schemaVersion: "2"', "schemaVersion", "`2` is not valid"),
    Case("number without unit", "budget: 24 kW", "budget: 24", "pods.pod-a.budget", "24 is not a quantity",
         "write the unit: 24 kW"),
    Case("unit in wrong case", "budget: 24 kW", "budget: 24 KW", "pods.pod-a.budget", "24 KW is not a quantity",
         "write 24 kW"),
    Case("zero", "budget: 24 kW", "budget: 0 kW", "pods.pod-a.budget", "0 kW is not a quantity",
         "a positive amount, whole in its base unit"),
    Case("negative", "budget: 24 kW", "budget: -24 kW", "pods.pod-a.budget", "-24 kW is not a quantity"),
    Case("not a number", "budget: 24 kW", "budget: .nan", "pods.pod-a.budget", "nan is not a quantity"),
    Case("unknown equipment", "budget: 24 kW", "budget: 24 kW\n        equipment: {leaf: {sku: qm970, at: [r1/u46]}}",
         "pods.pod-a.equipment.leaf.sku", "unknown SKU qm970", "did you mean qm9700?", "equipment: {leaf"),
    Case("a machine as equipment", "budget: 24 kW", "budget: 24 kW\n        equipment: {leaf: {sku: srv-nvme, at: [r1/u46]}}",
         "pods.pod-a.equipment.leaf.sku", "unknown SKU srv-nvme", "put the group under `nodes`", "equipment: {leaf"),
    Case("equipment in a taken slot", "budget: 24 kW", "budget: 30 kW\n        equipment: {leaf: {sku: qm9700, at: [r1/u2]}}",
         "pods.pod-a.equipment.leaf.at[0]", "unit 2 of r1 is taken by gpu at r1/u1", "", "equipment: {leaf"),
    Case("infinite PUE", "pue: 1.25", "pue: .inf", "grid.pue", "`inf` is not valid"),
    Case("one watt over", "budget: 24 kW", "budget: 22.399 kW", "pods.pod-a.budget",
         "needs 22.4 kW; limit: 22.399 kW, the budget of pod-a",
         "a cap of 699 W per GPU (power: {feeds: {A: {}}, caps: auto}); or 1 node of gpu (sim-dgx-h100) fewer"),
    Case("connection too small", "connection: 3x63A", "connection: 3x40A", "grid.connection",
         "the pods' budgets, 24 kW of IT load, need 30 kW at the meter (PUE 1.25); limit: 26.326 kW",
         "budgets of 21.06 kW together, or a larger connection"),
    Case("no connection", "connection: 3x63A", "connection: 63", "grid.connection", "63 is not a quantity"),
    Case("host bits", "198.18.0.0/20", "198.18.0.1/20", "network.supernet", "198.18.0.1/20 is not a network",
         "write 198.18.0.0/20"),
    Case("supernet too small", "198.18.0.0/20", "198.18.0.0/22", "network.supernet",
         "198.18.0.0/22 is too small for pods of /22", "a larger supernet, or a podPrefix longer than /22"),
    Case("supernet as number", "supernet: 198.18.0.0/20", "supernet: 198", "network.supernet",
         "198 is not a network"),
    Case("domain with one label", "domain: lab.gridmill.test", "domain: lab", "network.domain", "`lab` is not valid"),
    Case("domain in upper case", "domain: lab.gridmill.test", "domain: Lab.gridmill.test", "network.domain",
         "`Lab.gridmill.test` is not valid", "write it in lower case: lab.gridmill.test"),
    Case("unknown SKU", "sku: sim-dgx-h100", "sku: sim-dgx-h10", "pods.pod-a.nodes.gpu.sku", "unknown SKU sim-dgx-h10",
         "did you mean sim-dgx-h100?"),
    Case("slot twice", "[r1/u1, r1/u9]", "[r1/u1, r1/u1]", "pods.pod-a.nodes.gpu.at[1]",
         "unit 1 of r1 is taken by gpu at r1/u1"),
    Case("nodes overlap", "[r1/u1, r1/u9]", "[r1/u1, r1/u8]", "pods.pod-a.nodes.gpu.at[1]",
         "unit 8 of r1 is taken by gpu at r1/u1"),
    Case("out of the rack", "at: [r1/u40]", "at: [r1/u49]", "pods.pod-a.nodes.control.at[0]",
         "r1/u49 needs units 49 to 49, and the rack ends at 48", "u48 or lower"),
    Case("unknown rack", "at: [r1/u40]", "at: [r2/u40]", "pods.pod-a.nodes.control.at[0]", "unknown rack r2",
         "add `r2: {}` to racks"),
    Case("a slot range beyond the rack", "at: [r1/u40]", "at: ['r1/u[40,99]']", "pods.pod-a.nodes.control.at[0]",
         "r1/u99 is not a slot"),
    Case("a slot range backwards", "at: [r1/u40]", "at: ['r1/u[9-1]']", "pods.pod-a.nodes.control.at[0]",
         "r1/u[9-1] is not a slot"),
    Case("too many slots in one range", "at: [r1/u40]", "at: ['r[0-999,0-999]/u[1-63]']",
         "pods.pod-a.nodes.control.at[0]", "r[0-999,0-999]/u[1-63] is not a slot"),
    Case("a slot in two ranges", "at: [r1/u1, r1/u9]", "at: ['r1/u[1,9]', 'r1/u[17,9]']",
         "pods.pod-a.nodes.gpu.at[1]", "unit 9 of r1 is taken by gpu at r1/u9"),
    Case("no slot", "at: [r1/u40]", "at: [r1-40]", "pods.pod-a.nodes.control.at[0]", "r1-40 is not a slot"),
    Case("slot with shell", "at: [r1/u40]", 'at: ["r1/u4; touch x"]', "pods.pod-a.nodes.control.at[0]",
         "r1/u4; touch x is not a slot"),
    Case("empty slots", "at: [r1/u40]", "at: []", "pods.pod-a.nodes.control.at", "`a list` is not valid"),
    Case("rack without number", "r1: {}", "r1: {}\n          rack: {}", "pods.pod-a.racks.rack", "rack without a number",
         "add `index: N` to the rack, or let its key end with a number", "rack: {}"),
    Case("rack number twice", "r1: {}", "r1: {}\n          x1: {}", "pods.pod-a.racks.x1",
         "rack number 1 is also that of r1", "set another `index`", "x1: {}"),
    Case("rack number too high", "r1: {}", "r1: {}\n          r16: {}", "pods.pod-a.racks.r16",
         "rack number 16 is outside of a pod of /22", "a larger pool, or a smaller `index`", "r16"),
    Case("pod number too high", "pod-a:", "pod-9:", "pods.pod-9", "pod number 9 is outside of 198.18.0.0/20 in blocks of /22",
         "a larger pool, or a smaller `index`"),
    Case("pod with template", "pod-a:", '"{{ 7*7 }}":', "pods.{{ 7*7 }}", "as a key, `{{ 7*7 }}` is not valid"),
    Case("pod in Unicode", "pod-a:", "pöd-a:", "pods.pöd-a", "as a key, `pöd-a` is not valid"),
    Case("pod with newline", "pod-a:", '"pod\\na":', "pods.pod\\na", "as a key, `pod\\na` is not valid"),
    Case("pod as option", "pod-a:", '"-oProxyCommand=touch x":', "pods.-oProxyCommand=touch x",
         "as a key, `-oProxyCommand=touch x` is not valid"),
    Case("name too long", "pod-a:", f"{'p' * 64}-1:", f"pods.{'p' * 60}…", f"as a key, `{'p' * 60}…` is not valid"),
    Case("driver not offered", "driver: 550.163.01", "driver: 535.1.2", "software.nvidia.driver",
         "distro of debian-13 does not offer 535.1.2", 'write "550.163.01"'),
    Case("version as number", 'version: "24.11"', "version: 24.11", "software.slurm.version", "`24.11` is not valid",
         "put it in quotes, digit for digit as it stands in the file"),
    Case("version that ends with a zero", 'version: "24.11"', "version: 24.10", "software.slurm.version", "`24.1` is not valid",
         "put it in quotes, digit for digit as it stands in the file"),
    Case("unknown OS", "os: debian-13", "os: debian-12", "software.os", "`debian-12` is not valid"),
    Case("no admin", "        anna:\n          uid: 2001", "        Anna:\n          uid: 2001", "access.admins.Anna",
         "as a key, `Anna` is not valid", "write it in lower case: anna", "Anna:"),
    Case("low uid", "uid: 2001", "uid: 0", "access.admins.anna.uid", "`0` is not valid"),
    Case("password for a key", 'keys: ["ssh-ed25519', 'keys: ["hunter2", "ssh-ed25519', "access.admins.anna.keys[0]",
         "hunter2 is not a public key", "paste the line of the .pub file"),
    Case("key with options", 'keys: ["ssh-ed25519', 'keys: ["command=\\"sh\\" ssh-ed25519', "access.admins.anna.keys[0]",
         'command="sh" ssh-ed25519… is not a public key', "paste the line of the .pub file"),
    Case("private key", 'keys: ["ssh-ed25519', 'keys: ["-----BEGIN OPENSSH PRIVATE KEY----- c2VjcmV0", "ssh-ed25519',
         "access.admins.anna.keys[0]", "this is a private key",
         "remove it, make a new pair, and put only the .pub file's line where a key is wanted"),
    Case("path with shell", 'identityFile: "{state}/lab/lab/id_ed25519"', 'identityFile: "/tmp/$(touch x)"',
         "access.bootstrap.identityFile", "`/tmp/$(touch x)` is not valid"),
    Case("user as option", "user: gridmill", 'user: "-oProxyCommand"', "access.bootstrap.user",
         "`-oProxyCommand` is not valid"),
    Case("partition of nothing", "nodeGroups: [gpu]", "nodeGroups: [gpus]", "scheduler.partitions.gpu.nodeGroups[0]", "gpus is not a group of any pod",
         "name a group with compute nodes"),
    Case("partition of storage", "nodeGroups: [gpu]", "nodeGroups: [store]", "scheduler.partitions.gpu.nodeGroups[0]", "store has no compute nodes",
         "name a group with compute nodes", "gpu: {nodeGroups: [store"),
    Case("two defaults", "maxTime: '2-00:00:00'}", "maxTime: '2-00:00:00'}\n        b: {nodeGroups: [gpu], default: true}",
         "scheduler.partitions.b.default", "gpu is the default already", "remove `default: true` from the others", "b: {nodeGroups"),
    Case("bad time", "maxTime: '2-00:00:00'", "maxTime: two days", "scheduler.partitions.gpu.maxTime",
         "`two days` is not valid"),
    Case("unknown user", "users: [anna]", "users: [bob]", "scheduler.accounts.research.users[0]", "unknown user bob",
         "add the person under access.users or access.admins"),
    Case("user almost known", "users: [anna]", "users: [ana]", "scheduler.accounts.research.users[0]", "unknown user ana",
         "did you mean anna?"),
    Case("two controllers", "at: [r1/u40]", "at: [r1/u40, r1/u41]", "pods.pod-a.nodes.control.at[1]",
         "a second controller", "`services: [login]` on the others"),
    Case("no controller", "sku: sim-mgmt,", "sku: sim-mgmt, services: [login],", "pods", "no node runs the controller",
         "a group of a management SKU, or `services: [controller]` on one", "    pods:"),
    Case("unknown service", "sku: sim-mgmt,", "sku: sim-mgmt, services: [controler],",
         "pods.pod-a.nodes.control.services[0]", "`controler` is not valid"),
    Case("missing", "      domain: lab.gridmill.test\n", "", "network.domain", "missing", "add it", "    network:"),
    Case("nothing", "operator: {name: Gridmill virtual site,", "operator: {name: null,", "operator.name",
         "`nothing` is not valid"),
    Case("list for a mapping", "    grid: {connection: 3x63A, pue: 1.25}", "    grid: []", "grid", "`a list` is not valid"),
    Case("variable like Ansible's", "os: debian-13", "os: debian-13\n      ansible_ssh_common_args: -oProxyCommand=x",
         "software.ansible_ssh_common_args", "unknown key", "remove it", "ansible_ssh_common_args"),
    Case("public supernet", "198.18.0.0/20", "8.8.0.0/20", "network.supernet", "8.8.0.0/20 is not private",
         "a part of 10.0.0.0/8 that nobody around you uses"),
    Case("resolver by name", "domain: lab.gridmill.test", "domain: lab.gridmill.test\n      resolvers: [dns.example]",
         "network.resolvers[0]", "dns.example is not an address", "", "resolvers"),
    Case("unknown time zone", "Europe/Amsterdam", "Europe/Amsterdum", "location.timezone",
         "unknown time zone Europe/Amsterdum", "did you mean Europe/Amsterdam?"),
    Case("admin called root", "        anna:\n", "        root:\n", "access.admins.root", "root is a system login",
         "another name"),
    Case("admin called as the bootstrap user", "        anna:\n", "        gridmill:\n", "access.admins.gridmill",
         "gridmill is a system login", "another name", "        gridmill:"),
    Case("user called as a group of Debian", BEFORE_BOOTSTRAP, f"      users:\n        sudo: {{uid: 3001, keys: [{KEY}]}}\n{BEFORE_BOOTSTRAP}",
         "access.users.sudo", "sudo is a system login", "another name", "        sudo:"),
    Case("user who is an admin too", BEFORE_BOOTSTRAP, f"      users:\n        anna: {{uid: 3001, keys: [{KEY}]}}\n{BEFORE_BOOTSTRAP}",
         "access.users.anna", "anna stands under access.admins too", "keep one of them", "uid: 3001"),
    Case("user with an admin's number", BEFORE_BOOTSTRAP, f"      users:\n        ben: {{uid: 2001, keys: [{KEY}]}}\n{BEFORE_BOOTSTRAP}",
         "access.users.ben.uid", "user ID 2001 is also that of anna", "another uid", "        ben:"),
    Case("user without a key", BEFORE_BOOTSTRAP, f"      users:\n        ben: {{uid: 3001, keys: []}}\n{BEFORE_BOOTSTRAP}",
         "access.users.ben.keys", "`a list` is not valid", "", "        ben:"),
    Case("group with a person's number", BEFORE_BOOTSTRAP, f"      groups:\n        chemistry: {{gid: 2001}}\n{BEFORE_BOOTSTRAP}",
         "access.groups.chemistry.gid", "group ID 2001 is also that of anna", "another gid", "chemistry"),
    Case("group called as a person", BEFORE_BOOTSTRAP, f"      groups:\n        anna: {{gid: 4000}}\n{BEFORE_BOOTSTRAP}",
         "access.groups.anna", "anna stands under access.admins too",
         "everybody has a group of the own name; another name", "gid: 4000"),
    Case("group of the system", BEFORE_BOOTSTRAP, f"      groups:\n        docker: {{gid: 4000}}\n{BEFORE_BOOTSTRAP}",
         "access.groups.docker", "docker is a system group", "another name", "docker"),
    Case("group number of the system", BEFORE_BOOTSTRAP, f"      groups:\n        chemistry: {{gid: 100}}\n{BEFORE_BOOTSTRAP}",
         "access.groups.chemistry.gid", "`100` is not valid", "", "chemistry"),
    Case("unknown group", BEFORE_BOOTSTRAP,
         f"      groups:\n        chemistry: {{gid: 4000}}\n      users:\n        ben: {{uid: 3001, keys: [{KEY}], groups: [chemstry]}}\n"
         f"{BEFORE_BOOTSTRAP}", "access.users.ben.groups[0]", "unknown group chemstry", "did you mean chemistry?", "chemstry"),
    Case("unknown group of a partition", "maxTime: '2-00:00:00'", "maxTime: '2-00:00:00', allowGroups: [staff]",
         "scheduler.partitions.gpu.allowGroups[0]", "unknown group staff", "add it to access.groups"),
    Case("unknown account of a partition", "maxTime: '2-00:00:00'", "maxTime: '2-00:00:00', allowAccounts: [reserch]",
         "scheduler.partitions.gpu.allowAccounts[0]", "unknown account reserch", "did you mean research?"),
    Case("usual time above the longest", "maxTime: '2-00:00:00'", "maxTime: '2-00:00:00', defaultTime: '49:00:00'",
         "scheduler.partitions.gpu.defaultTime", "49:00:00 is longer than maxTime", "a shorter time"),
    Case("negative limit", "users: [anna]", "users: [anna], limits: {gpus: -1}", "scheduler.accounts.research.limits.gpus",
         "`-1` is not valid"),
    Case("limit in seconds", "users: [anna]", "users: [anna], limits: {maxWall: '0:00:30'}",
         "scheduler.accounts.research.limits.maxWall", "`0:00:30` is not valid"),
    Case("unknown limit", "users: [anna]", "users: [anna], limits: {gpu: 1}", "scheduler.accounts.research.limits.gpu",
         "unknown key", "did you mean `gpus`?"),
    Case("kernel setting as a number", "    pods:\n", "    kernel: {sysctl: {vm.swappiness: 1}}\n    pods:\n",
         "kernel.sysctl.vm.swappiness", "`1` is not valid",
         "put it in quotes, digit for digit as it stands in the file", "swappiness"),
    Case("kernel setting with a pipe", "    pods:\n", '    kernel: {sysctl: {kernel.core_pattern: "|/bin/sh"}}\n    pods:\n',
         "kernel.sysctl.kernel.core_pattern", "`|/bin/sh` is not valid", "", "core_pattern"),
    Case("boot parameter with shell", "    pods:\n", '    kernel: {parameters: ["iommu=pt; touch x"]}\n    pods:\n',
         "kernel.parameters[0]", "`iommu=pt; touch x` is not valid", "", "touch x"),
    Case("consent to something else", "    pods:\n", "    adopt: [everything]\n    pods:\n", "adopt[0]",
         "`everything` is not valid", "", "adopt"),
    Case("user ID twice", "        anna:\n",
         '        bram: {uid: 2001, keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJGd41lXzdougWj52V4d4JqdrNABLVdjYs52g2k6oLJ"]}\n'
         "        anna:\n", "access.admins.anna.uid", "user ID 2001 is also that of bram", "another uid", "          uid: 2001"),
    Case("epoch zero", "    scheduler:\n", "    scheduler:\n      keyEpoch: 0\n", "scheduler.keyEpoch", "`0` is not valid",
         line_of="keyEpoch"),
    Case("epoch as text", "    scheduler:\n", "    scheduler:\n      keyEpoch: two\n", "scheduler.keyEpoch",
         "`two` is not valid", line_of="keyEpoch"),
    Case("overlap too long", "    scheduler:\n", "    scheduler:\n      keyOverlapSeconds: 86400\n",
         "scheduler.keyOverlapSeconds", "`86400` is not valid", line_of="keyOverlap"),
    Case("pod called keys", "      pod-a:\n", "      keys:  # a phase\n        index: 1\n", "pods.keys", "keys is the name of a phase",
         "pod-keys", "# a phase"),
    Case("reserved account", "research: {", "gridmill: {", "scheduler.accounts.gridmill", "gridmill is reserved",
         "another name"),
    Case("account description for a parser", "First account of", "First | account of", "scheduler.accounts.research.description",
         "`First | account of the virtual site` is not valid"),
    Case("partition called default", "        gpu: {nodeGroups: [gpu],", "        default: {nodeGroups: [gpu],", "scheduler.partitions.default",
         "Slurm keeps this name for itself", "gpu, batch, ..."),
    Case("controller that computes", "sku: sim-mgmt,", "sku: sim-mgmt, services: [controller, compute],",
         "pods.pod-a.nodes.control.services", "a controller that also does compute", "other nodes for the rest"),
    Case("two lines of text", "municipality: Emmen", 'municipality: "Emmen\\nNL"', "location.municipality",
         "`Emmen\\nNL` is not valid"),
    Case("maintenance of nothing", "budget: 24 kW", "budget: 24 kW\n        maintenance: {r1/u2: fan}",
         "pods.pod-a.maintenance.r1/u2", "no node at r1/u2 of pod-a", "a node's lowest unit", "maintenance:"),
    Case("maintenance of the controller", "budget: 24 kW", "budget: 24 kW\n        maintenance: {r1/u40: fan}",
         "pods.pod-a.maintenance.r1/u40", "the controller runs the site's Slurm", "work on it between two runs",
         "maintenance:"),
    Case("maintenance with a leading zero", "budget: 24 kW", "budget: 24 kW\n        maintenance: {r1/u09: fan}",
         "pods.pod-a.maintenance.r1/u09", "r1/u09 is not how a slot is written as a key", "write r1/u9", "maintenance:"),
    Case("maintenance for a parser", "budget: 24 kW", "budget: 24 kW\n        maintenance: {r1/u9: a State=IDLE}",
         "pods.pod-a.maintenance.r1/u9", "`a State=IDLE` is not valid", "", "maintenance:"),
    Case("no date", "budget: 24 kW", "budget: 24 kW\n        from: spring", "pods.pod-a.from", "spring is not a date", "",
         "from: spring"),
    Case("a day that is none", "budget: 24 kW", "budget: 24 kW\n        from: 2027-02-29", "pods.pod-a.from",
         "2027-02-29 is not a date", "", "from: 2027"),
    Case("nothing installed", "budget: 24 kW", "budget: 24 kW\n        from: 2027-04-01", "pods.pod-a.from",
         "pod-a: planned (`from`), and no pod is installed",
         "remove `from` from the pod that stands; it is there for growth", "from: 2027"),
    Case("a slot without a list", "at: [r1/u40]", "at: r1/u40", "pods.pod-a.nodes.control.at", "`r1/u40` is not valid",
         "write it as a list: [r1/u40]"),
    Case("planned power over the connection", "    pods:\n", "    pods:\n      pod-b: {like: pod-a, from: 2027-04-01, nodes: "
         "{gpus: {sku: sim-dgx-h100, at: [r1/u1]}}}\n", "grid.connection",
         "the pods' budgets, 48 kW of IT load, need 60 kW at the meter (PUE 1.25); limit: 41.464 kW",
         "budgets of 33.171 kW together, or a larger connection", "    grid:"),
    Case("like nobody", "    pods:\n", "    pods:\n      pod-b: {like: pod-x, nodes: {gpu: {at: [r1/u1]}}}\n", "pods.pod-b.like",
         "pod-x is not a pod", "did you mean pod-a?", "like: pod-x"),
    Case("like itself", "    pods:\n", "    pods:\n      pod-b: {like: pod-b, nodes: {gpu: {at: [r1/u1]}}}\n", "pods.pod-b.like",
         "the pods are like each other: pod-b -> pod-b", "", "like: pod-b"),
    Case("group that the other has not", "    pods:\n", "    pods:\n      pod-b: {like: pod-a, nodes: {gpus: {at: [r1/u1]}}}\n",
         "pods.pod-b.nodes.gpus.sku", "missing", "add it", "like: pod-a"),
    Case("bad MAC", "budget: 24 kW", "budget: 24 kW\n        machines: {r1/u1: {mac: 02:00:00:00:00}}",
         "pods.pod-a.machines.r1/u1.mac", "02:00:00:00:00 is not a MAC address", "", "machines:"),
    Case("multicast MAC", "budget: 24 kW", "budget: 24 kW\n        machines: {r1/u1: {mac: 01:00:5e:00:00:01}}",
         "pods.pod-a.machines.r1/u1.mac", "01:00:5e:00:00:01 is not a MAC address", "", "machines:"),
    Case("serial with shell", "budget: 24 kW", 'budget: 24 kW\n        machines: {r1/u1: {serial: "$(touch x)"}}',
         "pods.pod-a.machines.r1/u1.serial", "`$(touch x)` is not valid", "", "machines:"),
    Case("bus bar without a shelf", "budget: 24 kW",
         "budget: 24 kW\n        equipment: {nvlink: {sku: gb200-nvl72-switch, at: [r1/u30]}}",
         "pods.pod-a.equipment.nvlink", "nvlink (gb200-nvl72-switch) hangs on the bus bar of r1, which no power shelf feeds",
         "shelf: {sku: nvl72-power-shelf, at: [r1/u1]} under equipment", "equipment:"),
    Case("liquid that is not there", "budget: 24 kW",
         "budget: 24 kW\n        equipment: {nvlink: {sku: gb200-nvl72-switch, at: [r1/u30]}}",
         "pods.pod-a.equipment.nvlink.sku", "gb200-nvl72-switch is cooled by liquid, and none reaches r1",
         "racks: r1: liquid: true, if the building's loop ends there", "equipment:"),
    Case("machine nowhere", "budget: 24 kW", "budget: 24 kW\n        machines: {r1/u5: {serial: S1}}",
         "pods.pod-a.machines.r1/u5", "no node at r1/u5 of pod-a", "a node's lowest unit", "machines:"),
    Case("serial twice", "budget: 24 kW", "budget: 24 kW\n        machines: {r1/u1: {serial: S1}, r1/u9: {serial: s1}}",
         "pods.pod-a.machines.r1/u9.serial", "serial number s1 is also that of pod-a r1/u1", "correct one of the two",
         "machines:"),
    Case("MAC twice", "budget: 24 kW",
         "budget: 24 kW\n        machines: {r1/u1: {mac: 02:00:00:00:00:AB}, r1/u9: {mac: 02-00-00-00-00-ab}}",
         "pods.pod-a.machines.r1/u9.mac", "MAC address 02:00:00:00:00:ab is also that of pod-a r1/u1",
         "correct one of the two", "machines:"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_bad_definition_names_its_problem(case: Case, tmp_path: Path) -> None:
    check_case(case, tmp_path)


def check_case(case: Case, tmp_path: Path) -> None:
    """The definition has exactly this problem at this place."""
    text = changed(case.old, case.new)
    for old, new in case.also:
        text = text.replace(old, new)
    problems = problems_of(text, tmp_path)
    found = [problem for problem in problems if path_text(problem.path) == case.path]
    assert len(found) == 1, [str(problem) for problem in problems]
    assert (found[0].message, found[0].hint) == (case.message, case.hint)
    marker = case.line_of or case.new.splitlines()[0]
    assert found[0].line == line_of(text, marker)
    assert found[0].file == "Pulumi.bad.yaml"


def test_a_pod_must_not_be_called_like_a_phase(tmp_path: Path) -> None:
    problems = problems_of(changed("      pod-a:\n", "      control:\n        index: 1\n"), tmp_path)
    assert [(path_text(p.path), p.message, p.hint) for p in problems] == [
        ("pods.control", "control is the name of a phase", "pod-control")
    ]


def test_all_problems_come_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = LAB.replace("schemaVersion: 2", "schemaVersion: 7").replace("24 kW", "24").replace("debian-13", "beos")
    problems = problems_of(text, tmp_path)
    assert [path_text(problem.path) for problem in problems] == ["schemaVersion", "software.os", "pods.pod-a.budget"]
    assert [problem.line for problem in problems] == sorted(problem.line or 0 for problem in problems)


def test_a_private_key_is_never_shown(tmp_path: Path) -> None:
    text = changed('keys: ["ssh-ed25519', 'keys: ["-----BEGIN OPENSSH PRIVATE KEY----- c2VjcmV0", "ssh-ed25519')
    assert "c2VjcmV0" not in "\n".join(str(problem) for problem in problems_of(text, tmp_path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1, 2", "not YAML: "),
        ("a: 1\na: 2", "key stands twice, in lines 1 and 2"),
        ("a: &x [1]\nb: *x", "alias *x"),
        ("a: !!python/object:os.system x", "tag tag:yaml.org,2002:python/object:os.system"),
        ("a: !secret x", "tag !secret"),
        ("a: !!str 5", "tag tag:yaml.org,2002:str"),
        ("a: !!set {x}", "tag tag:yaml.org,2002:set"),
        ("[" * 3000, "n"),
        ("[" * 3000 + "]" * 3000, "nested too deeply"),
        ("x" * 4_000_001, "4000001 characters are too many"),
        ("", "missing"),
        ("config: {}", "missing"),
        ("config: {gridmill:site: 5}", "`5` is not valid"),
        ("\ta: 1", "not YAML: "),
    ],
)
def test_text_that_is_no_stack(text: str, message: str, tmp_path: Path) -> None:
    problems = problems_of(text, tmp_path)
    assert len(problems) == 1
    assert problems[0].message.startswith(message)


def test_an_alias_bomb_is_refused_before_it_grows(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert all(problem.message.startswith("alias") for problem in problems_of("\n".join(lines), tmp_path))


def test_what_pulumi_could_not_hand_over_is_refused(tmp_path: Path) -> None:
    slots = ", ".join(f"r{rack}/u{unit}" for rack in range(1, 200) for unit in range(1, 64))
    (problem,) = problems_of(changed("at: [r1/u1, r1/u9]", f"at: [{slots}]"), tmp_path)
    assert "bytes as configuration are too many" in problem.message and "ranges" in problem.hint


def test_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(ProblemsError, match="cannot be read: No such file"):
        load_definition(tmp_path / "Pulumi.none.yaml")


def changed(old: str, new: str) -> str:
    assert LAB.count(old) == 1, f"{old!r} stands {LAB.count(old)} times in the lab's stack"
    return LAB.replace(old, new)


def line_of(text: str, marker: str) -> int:
    lines = [number for number, line in enumerate(text.splitlines(), 1) if marker in line]
    assert len(lines) == 1, (marker, lines)
    return lines[0]


def problems_of(text: str, tmp_path: Path) -> tuple[Problem, ...]:
    path = tmp_path / "Pulumi.bad.yaml"
    path.write_text(text, encoding="utf-8")
    skus = tmp_path / "inventories" / "lab"
    skus.mkdir(parents=True, exist_ok=True)
    if not (skus / "skus").exists():
        (skus / "skus").symlink_to(ROOT / "inventories" / "lab" / "skus")
    with pytest.raises(ProblemsError) as caught:
        load_definition(path)
    return caught.value.problems
