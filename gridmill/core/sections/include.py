"""Files with parts of a definition, beside the stack."""

from __future__ import annotations

from typing import Annotated

from gridmill.core.base import text

_NAME = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
INCLUDE_PATH = rf"^({_NAME}/)*({_NAME}\.yaml|{_NAME}/)$"

IncludePath = Annotated[
    str, text(INCLUDE_PATH, "a file that ends with .yaml, or a folder that ends with /, such as people.yaml", 200)
]
"""A file or a folder in `inventories/<site>/`, without `..` and hidden names."""
