"""Started by Pulumi's engine (`pulumi preview --policy-pack policy`); serves the pack until the engine ends."""

import sys
from pathlib import Path

root = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(root))

from policy.pack import serve  # noqa: E402 - the engine starts this directory, the checkout is its parent

serve(root)
