"""Compiles playbooks to one bundle a host, brings it there, and follows what the host says of it (ADR 34)."""
