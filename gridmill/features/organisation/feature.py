"""What an organisation asks of every site it runs: own secrets, known machines, state at home."""

from __future__ import annotations

from gridmill.features.organisation.problems import host_key_problems, passphrase_problems, state_problems
from gridmill.kernel.feature import Feature, Policy

FEATURE = Feature(
    name="organisation",
    policies=(
        Policy(
            "secrets-are-own",
            "A site with real machines does not use the public passphrase of the virtual site.",
            "mandatory",
            lambda case, _: passphrase_problems(case.site, case.catalog, public=case.facts.public_passphrase),
        ),
        Policy(
            "host-keys-known",
            "The host key of every machine is known before the first connection.",
            "mandatory",
            lambda case, _: host_key_problems(case.site, case.hosts, case.facts.known_hosts),
        ),
        Policy(
            "state-at-home",
            "The state of the site is kept by its operator.",
            "mandatory",
            lambda case, options: state_problems(case.facts.backend, options["allowed"]),
            {
                "allowed": {
                    "type": "array",
                    "items": {"type": "string"},
                    "default": [],
                    "description": "URLs of Pulumi services that the operator runs.",
                }
            },
        ),
    ),
)
