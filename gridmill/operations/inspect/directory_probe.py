"""Whether a machine reaches the directory's servers, and believes their certificates: a part of preflight's probe."""

from __future__ import annotations

import base64
from urllib.parse import urlsplit

from gridmill.features.ldap_client.plan import LdapPlan
from gridmill.kernel.site_plan import SitePlan

LDAPS_PORT = 636
NO_AUTHORITY = "-"
"""Stands for no certificates of an authority of one's own."""
UNRESOLVED = "unresolved"
"""The machine does not know the name, as long as it does not ask the site's DNS."""
OK = "ok"

PROBE = """
# the words after the first: certificates in base64, and servers as host:port
shift
[ "$#" -eq 0 ] || [ -z "$(command -v python3)" ] || python3 - "$@" <<'END'
import base64, socket, ssl, sys

text = "" if sys.argv[1] == "-" else base64.b64decode(sys.argv[1]).decode()
context = ssl.create_default_context(cadata=text or None)
context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # forms; chain, name and dates are checked
found = []
for server in sys.argv[2:]:
    host, port = server.rsplit(":", 1)
    try:
        with socket.create_connection((host, int(port)), timeout=5) as plain:
            context.wrap_socket(plain, server_hostname=host).close()
        found = ["ok"]
        break
    except socket.gaierror:
        found.append("unresolved")
    except OSError as error:
        found.append(f"{host}: {error}")
print("directory=" + "; ".join(dict.fromkeys(found)))
END
"""


def words(plan: SitePlan) -> list[str]:
    """Words for the probe, safe for a shell; none for a site without a directory."""
    ldap = plan.get(LdapPlan)
    if ldap is None:
        return []
    servers = [urlsplit(uri) for uri in ldap.uris]
    authority = base64.b64encode(ldap.ca.encode()).decode() or NO_AUTHORITY
    return [authority, *(f"{one.hostname}:{one.port or LDAPS_PORT}" for one in servers)]
