#!/usr/bin/python
"""Ansible module: a MariaDB database whose owner is an operating system user, without any password."""

from __future__ import annotations

import re
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import MISSING, run

DOCUMENTATION = r"""
module: mariadb_socket_database
short_description: A database that one local user owns
description:
  - Makes a database and a database user that logs in as the operating system user of the same name over the unix
    socket. There is no password, so none can leak or expire.
  - In check mode, where a server that an earlier task would start is not running, the database's directory says
    whether it was made before.
  - A database with tables whose user has another way in was set up by others. Without O(adopt) that is a failure (in
    check mode a note) and nothing is changed; with it, its data stays and the user's way in is changed.
options:
  database:
    description: Name of the database.
    type: str
    required: true
  user:
    description: Name of the operating system user.
    type: str
    required: true
  adopt:
    description: Whether a database with data that was here before may be used.
    type: bool
    default: false
author: [Gridmill]
"""

EXAMPLES = r"""
- name: Make the database
  gridmill.site.mariadb_socket_database:
    database: slurm_acct_db
    user: slurm
"""

RETURN = r"""
statements:
  description: SQL that was run, or would be in check mode.
  returned: always
  type: list
  elements: str
gridmill_notes:
  description: What was here before.
  returned: always
  type: list
  elements: str
"""


DATA = Path("/var/lib/mysql")
UNIX_SOCKET = "unix_socket"
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


def ask(statement: str) -> tuple[list[str], str, bool]:
    """Lines of the answer, the complaint if there is one, and whether the client is missing."""
    answer = run(["mariadb", "--no-defaults", "--batch", "--skip-column-names"], text=f"{statement};\n")
    return answer.output.splitlines(), "" if answer.ok else answer.complaint(), answer.status == MISSING


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "database": {"type": "str", "required": True},
            "user": {"type": "str", "required": True},
            "adopt": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    database, user = module.params["database"], module.params["user"]
    for name in (database, user):
        if not NAME.fullmatch(name):
            module.fail_json(msg=f"{name!r} is no plain name")
    everything = [
        f"CREATE DATABASE IF NOT EXISTS `{database}`",
        f"CREATE OR REPLACE USER `{user}`@localhost IDENTIFIED VIA unix_socket",
        f"GRANT ALL PRIVILEGES ON `{database}`.* TO `{user}`@localhost",
    ]
    rights = f"FROM mysql.db WHERE User = '{user}' AND Host = 'localhost' AND Db = '{database}' AND Create_priv = 'Y'"
    found, complaint, missing = ask(
        "; ".join(
            [
                f"SELECT schema_name FROM information_schema.schemata WHERE schema_name = '{database}'",  # noqa: S608
                f"SELECT JSON_VALUE(Priv, '$.plugin') FROM mysql.global_priv WHERE User = '{user}' AND Host = 'localhost'",  # noqa: S608, E501
                f"SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = '{database}'",  # noqa: S608
                f"SELECT COUNT(*) {rights}",  # names are plain, see NAME
            ]
        )
    )
    if module.check_mode and (missing or complaint):
        pending_change = [] if (DATA / database).exists() else everything
        module.exit_json(changed=bool(pending_change), statements=pending_change)
    if complaint:
        module.fail_json(msg=f"mariadb: {complaint}")
    # the last two lines are numbers: of tables, and of rights
    tables = int(found[-2])
    notes = (
        [f"database {database} was here before, with {tables} tables"] if tables and UNIX_SOCKET not in found else []
    )
    if notes and not module.params["adopt"]:
        refusal = (
            f"{notes[0]}; its user {user} has another way in. Nothing was changed. Move it away; or to "
            "use it with what was accounted in it (slurmdbd converts it to its own version), back it up and put "
            "`adopt: [accounting]` into the stack"
        )
        if not module.check_mode:
            module.fail_json(msg=refusal)
        module.exit_json(changed=False, statements=[], gridmill_notes=[f"applied now, this would fail: {refusal}"])
    statements = []
    if database not in found:
        statements.append(everything[0])
    if UNIX_SOCKET not in found:
        statements += everything[1:]
    elif found[-1] == "0":
        statements.append(everything[2])
    if statements and not module.check_mode:
        _, complaint, _ = ask("; ".join(statements))
        if complaint:
            module.fail_json(msg=f"mariadb: {complaint}")
    module.exit_json(changed=bool(statements), statements=statements, gridmill_notes=notes)


if __name__ == "__main__":
    main()
