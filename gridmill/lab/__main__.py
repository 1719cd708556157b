"""Entry point of `python -m gridmill.lab`."""

from __future__ import annotations

import sys

from gridmill.lab.cli import main

if __name__ == "__main__":
    sys.exit(main())
