"""`pulumi-resource-gridmill`: hosts `Site` for programs in every language, as an executable plugin of Pulumi.

An executable, not a folder with PulumiPlugin.yaml: before each use of such a folder the engine makes its virtual
environment anew and has pip upgrade itself in it, which is no way to treat an environment that is locked by hash.
"""

import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Optional

import pulumi
from pulumi.errors import InputPropertiesError
from pulumi.provider import ConstructResult
from pulumi.provider import main as serve
from pulumi.provider.experimental.component import ComponentProvider
from pulumi.provider.server import ComponentInitError

from .public import Site

NAME = "gridmill"
"""Of the package: it stands before the component's type token."""


class SiteProvider(ComponentProvider):
    """Tells problems of a definition as such: not as an exception with the lines of this program that raised it."""

    def construct(
        self,
        name: str,
        resource_type: str,
        inputs: pulumi.Inputs,
        options: Optional[pulumi.ResourceOptions] = None,
    ) -> ConstructResult:
        """The component that another program declares."""
        try:
            return super().construct(name, resource_type, inputs, options)
        except ComponentInitError as error:
            if isinstance(error.inner, pulumi.RunError):
                raise InputPropertiesError(str(error.inner), []) from None
            raise


def package_version() -> str:
    """Version of the installed package; a checkout has none, and its schema stays the same from commit to commit."""
    try:
        return version(NAME)
    except PackageNotFoundError:
        return "0.0.0"


def main() -> int:
    """Serve until the engine ends the process; the engine's address is the first argument."""
    serve(SiteProvider([Site], NAME, None, package_version()), sys.argv[1:])
    return 0
