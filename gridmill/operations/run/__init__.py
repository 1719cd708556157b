"""One phase of a run: which hosts, their playbook, in which waves, and what came of it."""
