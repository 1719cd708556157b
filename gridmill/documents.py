"""The converge documents: what each phase of a site gets on standard input, as plain data without secrets.

One document per phase: `storage` (nodes that serve volumes, where the site has such), `control` (the controllers),
one per pod (its other machines), `exports` (volumes that left are withdrawn), `keys` (once the cluster's key was
rotated) and `acceptance` (a job that proves the site). Values that all machines of a group share stand once, in the
group; a machine's own entry is its address, so that a pod of 500 nodes stays readable in a preview. Each concern has a
file of its own here.
"""

from gridmill.kernel.shape import ACCEPTANCE, CONTROL, EXPORTS, KEYS, SCHEMA, STORAGE, Document
from gridmill.phases import documents

__all__ = ["ACCEPTANCE", "CONTROL", "EXPORTS", "KEYS", "SCHEMA", "STORAGE", "Document", "documents"]
