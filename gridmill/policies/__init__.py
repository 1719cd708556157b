"""The rules by name, as the policy pack and the command line ask them."""

from gridmill.policies.table import POLICIES, Case, Facts, Level, Policy

__all__ = ["POLICIES", "Case", "Facts", "Level", "Policy"]
