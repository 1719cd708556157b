"""Settings of the machines' kernels. Only for machines that have one of their own, as their SKU's platform declares."""

from __future__ import annotations

from dataclasses import dataclass

from gridmill.features.kernel.section import Kernel
from gridmill.kernel.context import Planning


@dataclass(frozen=True)
class KernelPlan:
    """The kernel of machines that boot one of their own."""

    sysctl: dict[str, str]
    parameters: tuple[str, ...]
    """Of the boot line."""


@dataclass(frozen=True)
class KernelsPlan:
    """Kernels by SKU; none for one whose kernel is somebody else's."""

    by_sku: dict[str, KernelPlan]


EVERYWHERE = {
    # neighbours of a management network of thousands of machines; the kernel's own limit is 1024 (ip-sysctl)
    "net.ipv4.neigh.default.gc_thresh1": "8192",
    "net.ipv4.neigh.default.gc_thresh2": "16384",
    "net.ipv4.neigh.default.gc_thresh3": "32768",
    "net.ipv6.neigh.default.gc_thresh1": "8192",
    "net.ipv6.neigh.default.gc_thresh2": "16384",
    "net.ipv6.neigh.default.gc_thresh3": "32768",
    # machines route for nobody and take no other way because somebody on the wire says so
    "net.ipv4.conf.all.accept_redirects": "0",
    "net.ipv6.conf.all.accept_redirects": "0",
    "net.ipv4.conf.all.send_redirects": "0",
    "net.ipv4.conf.all.accept_source_route": "0",
    # buffers that fill 100 Gbit/s over 5 ms
    "net.core.rmem_max": "67108864",
    "net.core.wmem_max": "67108864",
    "net.ipv4.tcp_rmem": "4096 131072 67108864",
    "net.ipv4.tcp_wmem": "4096 65536 67108864",
}
"""Settings of every machine: names and defaults from the kernel's Documentation/networking/ip-sysctl."""

GPU_NODES = {
    # the kernel must not move pages away from the GPU's side of the machine while a job runs
    "kernel.numa_balancing": "0",
    # a job's memory is not traded for page cache
    "vm.swappiness": "1",
    # several ports in one subnet (rails) answer for themselves only, and accept answers that come in on another
    "net.ipv4.conf.all.arp_ignore": "1",
    "net.ipv4.conf.all.arp_announce": "2",
    "net.ipv4.conf.all.rp_filter": "2",
}
"""Settings of GPU nodes beyond those (Documentation/admin-guide/sysctl and ip-sysctl)."""

GPU_PARAMETERS = ("iommu=pt",)
"""Boot line of GPU nodes: devices of the host are not translated, so that GPUs and adapters reach each other directly
(Documentation/admin-guide/kernel-parameters)."""


def plan_kernels(planning: Planning) -> KernelsPlan:
    """By SKU, without those whose kernel is somebody else's: there nothing can be set."""
    kernel = planning.site.of(Kernel)
    skus = [planning.catalog.nodes[sku] for sku in sorted({host.sku for host in planning.hosts})]
    return KernelsPlan(
        {
            sku.id: KernelPlan(
                sysctl={**EVERYWHERE, **(GPU_NODES if sku.gpu else {}), **kernel.sysctl},
                parameters=tuple(dict.fromkeys([*GPU_PARAMETERS, *kernel.parameters])) if sku.gpu else (),
            )
            for sku in skus
            if sku.platform.kernel_modules != "none"
        }
    )
