"""The runner behind the seam: takes a converge document on standard input and converges its hosts with Ansible.

Started by pulumi-command as `python -m gridmill.operations.converge apply|remove`. Prints one JSON line when all
is well; otherwise exits non-zero and names host, task or check, and log on standard error. Progress goes there, too.
Secrets come in as environment variables GRIDMILL_SECRET_<NAME>; no child sees them there.
"""

from __future__ import annotations

import argparse
import os
import sys

from gridmill.operations.document import read_document
from gridmill.operations.errors import INTERRUPTED, OperationError
from gridmill.operations.run.drifted import Drifted
from gridmill.operations.run.phase import PhaseRun, masked
from gridmill.operations.run.supervise import die_with_parent

SECRET_PREFIX = "GRIDMILL_SECRET_"  # noqa: S105 - a prefix, no secret
DIGEST_PREFIX = "GRIDMILL_DIGEST_"


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0 when every host is ok, 1 when not, 2 when the run could not start, 130 when it was interrupted."""
    parser = argparse.ArgumentParser(prog="gridmill.operations.converge", description=__doc__)
    parser.add_argument("action", choices=("apply", "check", "remove"))
    whom = parser.add_mutually_exclusive_group()
    whom.add_argument(
        "--all", action="store_true", help="also hosts that the ledger says are as planned, if they differ"
    )
    whom.add_argument("--full", action="store_true", help="all hosts, without asking whether anything differs there")
    options = parser.parse_args(arguments)
    die_with_parent()
    secrets = take(SECRET_PREFIX)
    digests = take(DIGEST_PREFIX)
    drifted = Drifted.take()
    try:
        document = read_document(sys.stdin.read())
        everything, compare = options.all or options.full, options.all
        return PhaseRun(
            document, options.action, secrets, digests, everything=everything, compare=compare, drifted=drifted
        ).run()
    except OperationError as error:
        print(masked(str(error), secrets), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command completes the run", file=sys.stderr)
        return INTERRUPTED
    except OSError as error:  # a full disk, a directory that cannot be written
        print(
            masked(f"on the machine that runs this: {error}; mend that, and run the same command again", secrets),
            file=sys.stderr,
        )
        return 2


def take(prefix: str) -> dict[str, str]:
    """Variables with this prefix from the environment, which then no longer has them; names in lower case."""
    names = [name for name in os.environ if name.startswith(prefix)]
    return {name.removeprefix(prefix).lower(): os.environ.pop(name) for name in names}


if __name__ == "__main__":
    sys.exit(main())
