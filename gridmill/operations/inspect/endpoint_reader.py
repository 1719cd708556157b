"""Runs on a controller: asks endpoints of machines over HTTP, and prints those that do not answer as they should.

Standard library only, for any python3 from 3.9 on.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Dict, List, Optional  # noqa: UP035 - Python 3.9

AT_ONCE = 64
LIMIT_S = 3.0
LARGEST = 1 << 22


def answer(question: str) -> str:
    """Problems as JSON, in the order of the question."""
    wanted: List[Dict[str, str]] = json.loads(question)  # noqa: UP006 - Python 3.9
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(problem, wanted)
        told = [{"host": one["host"], "name": one["name"], "problem": text} for one, text in zip(wanted, found) if text]  # noqa: B905 - Python 3.9
    return json.dumps(told)


def problem(wanted: Dict[str, str]) -> Optional[str]:  # noqa: UP006, UP045 - Python 3.9
    """What is wrong with one endpoint; None when it answers as it should."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(wanted["url"], timeout=LIMIT_S) as found:
            text = found.read(LARGEST).decode("utf-8", "replace")
    except (OSError, urllib.error.URLError, ValueError) as error:
        return f"no answer at {wanted['url']} ({error})"
    return None if wanted["contains"] in text else f"{wanted['url']} does not say {wanted['contains']}"
