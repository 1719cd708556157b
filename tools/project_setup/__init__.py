"""Set-up of a checkout beside the engine: system packages, the virtual environment, commands."""
