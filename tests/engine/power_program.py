"""A Pulumi program with a site's power and nothing else; the test writes the site's definition into `site.json`."""

from __future__ import annotations

import json
from pathlib import Path

from components.power import SitePower
from gridmill.load import build_definition
from gridmill.plan import plan_site

ROOT = Path(json.loads(Path("root.json").read_text()))
definition = build_definition(json.loads(Path("site.json").read_text()), ROOT)
SitePower("lab-power", plan_site(definition).levels)
