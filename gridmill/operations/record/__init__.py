"""What a site remembers, so that runs don't meet: locks, lease, journal, ledger, generations of state."""
