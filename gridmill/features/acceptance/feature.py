"""Jobs that prove the site: the last phase, after everything else."""

from __future__ import annotations

from gridmill.kernel.feature import Feature

FEATURE = Feature(name="acceptance", needs=("slurm",))
