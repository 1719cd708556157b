"""Another driver on three nodes that run jobs: they are changed a wave at a time, and no job is killed.

The driver's packages are Debian's own under a higher version, served by this host; the machines and their GPUs are
simulated, while Slurm, its jobs and APT are real. Not part of `make test`: see `make trial`.
"""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from testinfra.host import Host

from gridmill.core.openpgp import fingerprint
from gridmill.lab.rack import load_rack
from tests.e2e import driver_packages
from tests.e2e.conftest import NODES, connect
from tests.e2e.site_copy import NAME, SiteCopy

pytestmark = [pytest.mark.trial]

GPUS = [NODES[role][0] for role in ("gpu1", "gpu2", "gpu3")]
OLD, NEW = "550.163.01", "550.163.02"
PORT = 8099
SUBMIT = "runuser --user gridmill-accept -- sbatch --parsable --account=gridmill --chdir=/ --output=/dev/null"
OFFERED = f"""\
id: debian-13-mirror
os: debian-13
drivers: ["{NEW}"]
nccl: ["2.22.3"]
cuda: []
packages:
  driver: {{nvidia-smi: "{{driver}}-*", libcuda1: "{{driver}}-*"}}
  modules: {{open: {{}}, proprietary: {{}}}}
  persistence: {{nvidia-persistenced: ""}}
  pinned: [nvidia-smi, libcuda1]
  nccl: {{libnccl2: "{{nccl}}-*"}}
  cuda: {{}}
provides: [nvidia-smi, libcuda1]
sources: [{{of: all, from: a test, confidence: simulated}}]
"""
TELLS = f"""\
#!/bin/sh
# simulated: the driver of this package would tell its own version
/usr/lib/nvidia/current/nvidia-smi.debian "$@" | sed 's/{OLD}/{NEW}/g'
"""


def repacked(site: SiteCopy, node: str, name: str, work: Path) -> None:
    """One of Debian's packages under the new version."""
    site.on(node, f"cd /var/tmp && apt-get download {name} && mv {name}_*.deb {name}.deb")
    text = site.on(node, f"base64 --wrap=0 /var/tmp/{name}.deb")
    file, root = work / f"{name}.deb", work / name
    file.write_bytes(base64.b64decode(text))
    subprocess.run(["dpkg-deb", "--raw-extract", file, root], check=True)
    control = root / "DEBIAN" / "control"
    fields = control.read_text(encoding="utf-8")
    control.write_text(re.sub(r"(?m)^Version: .*$", f"Version: {NEW}-1", fields), encoding="utf-8")
    program = root / "usr/lib/nvidia/current/nvidia-smi"
    if program.exists():
        program.rename(program.with_name("nvidia-smi.debian"))
        program.write_text(TELLS, encoding="utf-8")
        program.chmod(0o755)
    into = work / "packages" / f"{name}_{NEW}-1.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", root, into], check=True, capture_output=True)


@pytest.fixture(scope="module")
def mirror(site: SiteCopy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a mirror with the new driver, beside its key and what it offers."""
    work = tmp_path_factory.mktemp("mirror")
    (work / "packages").mkdir()
    for name in ("nvidia-smi", "libcuda1"):
        repacked(site, GPUS[0], name, work)
    key = driver_packages.publish(work / "packages")
    beside = site.directory / "inventories" / NAME
    (beside / "keys").mkdir(exist_ok=True)
    (beside / "keys" / "mirror.asc").write_text(key, encoding="utf-8")
    (beside / "skus" / "software").mkdir(exist_ok=True)
    (beside / "skus" / "software" / "debian-13-mirror.yaml").write_text(OFFERED, encoding="utf-8")
    here = load_rack(site.stack_file).bridge_address
    command = [sys.executable, "-m", "http.server", str(PORT), "--bind", here, "--directory", str(work / "packages")]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"{{url: 'http://{here}:{PORT}', fingerprint: {fingerprint(key)}, origin: {driver_packages.ORIGIN}}}"
    finally:
        server.terminate()
        server.wait()


def test_another_driver_is_rolled_over_three_nodes_and_no_job_is_killed(
    site: SiteCopy, controller: Host, gpu1: Host, mirror: str
) -> None:
    connection = re.search(r"grid: \{connection: [^,]*,", site.stack_file.read_text(encoding="utf-8"))
    assert connection
    site.edit(connection[0], "grid: {connection: 3x100A,")
    site.edit("budget: 24 kW", "budget: 34 kW")
    site.edit("at: [r1/u1, r1/u9]", "at: [r1/u1, r1/u9, r1/u17]")
    site.lab("up")
    site.pulumi("up", "--yes")
    here = mirror.split("://")[1].split(":", maxsplit=1)[0]
    for role in ("gpu1", "gpu2", "gpu3"):  # the lab's proxy goes to Debian's mirrors only
        text = f'Acquire::http::Proxy::{here} "DIRECT";'
        connect(site, role).check_output("echo %s > /etc/apt/apt.conf.d/99-trial", text)
    jobs = [
        controller.check_output(f"{SUBMIT} --nodelist={node} --gres=gpu:4 --wrap='sleep {seconds}'")
        for node in GPUS
        for seconds in (60, 150)
    ]
    waiting = controller.check_output(f"{SUBMIT} --nodes=3 --gres=gpu:8 --wrap='sleep 1'")
    site.edit(f"source: distro, driver: {OLD}", f"source: mirror, driver: {NEW}")
    site.edit("    software:\n", f"    software:\n      sources: {{mirror: {mirror}}}\n")
    done = site.pulumi("up", "--yes")
    assert re.findall(r"wave \d of \d: ([\w-]+)", done.text)[:1] == GPUS[:1]
    assert "waiting for" in done.text
    states = dict(
        line.split("|") for line in controller.check_output("sacct -anXP -S now-1hour -o jobid,state").splitlines()
    )
    assert {states[job] for job in jobs} == {"COMPLETED"}, states
    assert states[waiting] in {"PENDING", "RUNNING", "COMPLETED"}
    for role in ("gpu1", "gpu2", "gpu3"):
        host = connect(site, role)
        assert host.package("nvidia-smi").version == f"{NEW}-1"
    assert not re.search(r"drain", controller.check_output("sinfo -hNo '%t'"))
    site.pulumi("preview", "--expect-no-changes")
