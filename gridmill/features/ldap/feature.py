"""Users from an LDAP directory: what the stack says of it."""

from __future__ import annotations

from gridmill.features.ldap.problems import directory_problems
from gridmill.features.ldap.section import Ldap
from gridmill.kernel.feature import Feature

FEATURE = Feature(
    name="ldap",
    section=Ldap,
    summary="An LDAP directory with more users; without it those of the stack are all.",
    problems=(lambda context: directory_problems(context.site, context.keys),),
)
