"""How fast Gridmill is, measured: `make bench`. Each benchmark has a target, and says whether it was met here."""
