"""The virtual site: systemd-nspawn machines on one Linux machine, racked as a stack definition lists them."""
