"""`gridmill engine` where there is no virtual environment yet: `python3 tools/engine.py ensure | plugin | env`.

Runs on any Python >= 3.11 without packages.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gridmill.engine.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
