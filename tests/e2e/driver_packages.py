"""A small repository with a simulated driver: the names and relations of Debian's and NVIDIA's real packages, no content.

Names and relations are those of nvidia-graphics-drivers and nvidia-open-gpu-kernel-modules in Debian 13 (DKMS left out,
as a container builds no modules), with NVIDIA's Fabric Manager beside them.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from gridmill.lab.keys import ensure_signing_key, sign_release

ORIGIN = "gridmill-test"
SMI = """\
#!/bin/sh
# simulated: answers as a machine with 4 L40S would
fields=$(printf '%s\\n' "$@" | sed -n 's/^--query-gpu=//p' | tr ',' ' ')
for index in 0 1 2 3; do
  row=
  for field in $fields; do
    case $field in
      index) value=$index;; name) value='NVIDIA L40S (simulated)';; driver_version) value=VERSION;;
      power.min_limit) value=100.00;; power.max_limit | power.limit | power.default_limit) value=350.00;; *) value='[N/A]';;
    esac
    row="$row${row:+, }$value"
  done
  echo "$row"
done
"""
DAEMON = "#!/bin/sh\n# simulated\nexec sleep infinity\n"
NVCC = """\
#!/bin/sh
# simulated
echo "Cuda compilation tools, release $(echo VERSION | cut -d. -f1,2), VVERSION (simulated)"
"""
UNIT = "[Unit]\nDescription=simulated\n[Service]\nExecStart={program}\n[Install]\nWantedBy=multi-user.target\n"


def driver(version: str) -> dict[str, dict[str, str]]:
    """Control fields of the driver's packages at one upstream version."""
    own = f"{version}-1"
    alternative = f"nvidia-alternative (= {own})"
    return {
        "nvidia-alternative": {"Provides": f"nvidia-alternative--kmod-alias, nvidia-alternative-{version}"},
        "libnvidia-ml1": {"Depends": alternative},
        "libnvidia-cfg1": {"Depends": alternative},
        "libnvidia-ptxjitcompiler1": {"Depends": alternative},
        "nvidia-smi": {"Depends": f"{alternative}, libnvidia-ml1 (= {own})"},
        "libcuda1": {"Depends": f"{alternative}, libnvidia-ptxjitcompiler1 (= {own})"},
        "firmware-nvidia-gsp": {
            "Provides": f"firmware-nvidia-gsp (= {version}), firmware-nvidia-gsp-{version}",
            "Conflicts": f"firmware-nvidia-gsp-{version}",
        },
        "nvidia-open-kernel-support": {
            "Provides": f"nvidia-kernel-support-any, nvidia-open-kernel-support--v1, nvidia-open-kernel-support-{version}",
            "Depends": f"nvidia-alternative-{version}",
            "Conflicts": f"nvidia-open-kernel-support-{version}",
        },
        "nvidia-kernel-support": {
            "Provides": "nvidia-kernel-support--v1, nvidia-kernel-support-any",
            "Depends": f"{alternative}, nvidia-alternative--kmod-alias",
        },
        "nvidia-open-kernel-dkms": {
            "Provides": f"nvidia-open-kernel-{version}, nvidia-open-kernel-dkms-any (= {version})",
            "Depends": f"firmware-nvidia-gsp (= {version}) | firmware-nvidia-gsp-{version}, nvidia-open-kernel-support--v1",
        },
        "nvidia-kernel-dkms": {
            "Provides": f"nvidia-kernel-{version}, nvidia-kernel-dkms-any (= {version})",
            "Depends": f"firmware-nvidia-gsp (= {version}) | firmware-nvidia-gsp-{version}, nvidia-kernel-support--v1",
        },
        "nvidia-persistenced": {"Depends": "libnvidia-cfg1"},
        "nvidia-fabricmanager": {},
    }


PROGRAMS = {
    "nvidia-smi": ("/usr/bin/nvidia-smi", SMI, ""),
    "nvidia-persistenced": ("/usr/bin/nvidia-persistenced", DAEMON, "nvidia-persistenced"),
    "nvidia-fabricmanager": ("/usr/bin/nv-fabricmanager", DAEMON, "nvidia-fabricmanager"),
    "cuda-toolkit-12-4": ("/usr/local/cuda-12.4/bin/nvcc", NVCC, ""),
    "cuda-toolkit-12-8": ("/usr/local/cuda-12.8/bin/nvcc", NVCC, ""),
}


def build(repository: Path, name: str, version: str, fields: dict[str, str]) -> None:
    """One package; its program, if it has one, says which version it is."""
    root = repository / "build" / f"{name}_{version}"
    (root / "DEBIAN").mkdir(parents=True)
    control = {
        "Package": name,
        "Version": version,
        "Architecture": "all",
        "Maintainer": "Gridmill <lab@gridmill.test>",
        **fields,
        "Description": "simulated package of a Gridmill test",
    }
    text = "".join(f"{key}: {value}\n" for key, value in control.items())
    (root / "DEBIAN" / "control").write_text(text, encoding="utf-8")
    if name in PROGRAMS:
        path, program, unit = PROGRAMS[name]
        file = root / path.lstrip("/")
        file.parent.mkdir(parents=True)
        file.write_text(program.replace("VERSION", version.rsplit("-", 1)[0]), encoding="utf-8")
        file.chmod(0o755)
        if unit:
            service = root / "usr/lib/systemd/system" / f"{unit}.service"
            service.parent.mkdir(parents=True)
            service.write_text(UNIT.format(program=path), encoding="utf-8")
    run("dpkg-deb", "--root-owner-group", "-Znone", "--build", str(root), str(repository / f"{name}_{version}.deb"))


def make(repository: Path, versions: list[str]) -> str:
    """Build and sign the repository; the armored public key. Beside it a package that must never come from there."""
    repository.mkdir(parents=True)
    for version in versions:
        for name, fields in driver(version).items():
            build(repository, name, f"{version}-1", fields)
    build(repository, "libnccl2", "2.29.3-1+cuda13.1", {"Provides": "libnccl.so.2"})
    for toolkit in ("12.4.1", "12.8.1", "12.8.2"):
        build(repository, f"cuda-toolkit-{'-'.join(toolkit.split('.')[:2])}", f"{toolkit}-1", {"Depends": "tzdata"})
    build(repository, "tzdata", "99.0-1", {})
    run("rm", "-r", str(repository / "build"))
    return publish(repository)


def publish(repository: Path) -> str:
    """Index and sign the packages of a directory; the armored public key."""
    index = run("apt-ftparchive", "packages", ".", cwd=repository)
    (repository / "Packages").write_text(index, encoding="utf-8")
    options = [f"-oAPT::FTPArchive::Release::{field}={ORIGIN}" for field in ("Origin", "Label")]
    release = run("apt-ftparchive", *options, "release", ".", cwd=repository)
    (repository / "Release").write_text(release, encoding="utf-8")
    key = repository.parent / f"{repository.name}.key"
    ensure_signing_key(key)
    return sign_release(repository / "Release", key=key)


def run(*command: str, cwd: Path | None = None) -> str:
    """Run a command; its standard output."""
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True).stdout
