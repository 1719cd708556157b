"""The typed stack definition: one file a concern, frozen, with units and defaults."""

from gridmill.model.access import Access, Admin, Bootstrap, Group, Person, User
from gridmill.model.backup import Backup
from gridmill.model.changes import Changes, Preview
from gridmill.model.grid import Grid
from gridmill.model.kernel import Kernel
from gridmill.model.machines import Machine
from gridmill.model.network import Network, Vlan
from gridmill.model.pods import NodeGroup, Pod, Rack, Slot
from gridmill.model.power import Cooling, Feed, Power, Ups
from gridmill.model.scheduler import Account, Limits, Partition, Scheduler
from gridmill.model.site import Site
from gridmill.model.software import Software
from gridmill.model.storage import Quota, Storage, StorageServers, Volume

__all__ = [
    "Access",
    "Account",
    "Admin",
    "Backup",
    "Bootstrap",
    "Changes",
    "Cooling",
    "Feed",
    "Grid",
    "Group",
    "Kernel",
    "Limits",
    "Machine",
    "Network",
    "NodeGroup",
    "Partition",
    "Person",
    "Pod",
    "Power",
    "Preview",
    "Quota",
    "Rack",
    "Scheduler",
    "Site",
    "Slot",
    "Software",
    "Storage",
    "StorageServers",
    "Ups",
    "User",
    "Vlan",
    "Volume",
]
