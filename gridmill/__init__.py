"""Gridmill's pure core: from a stack definition to a typed site and its plan. No Pulumi, no Ansible, no processes."""
