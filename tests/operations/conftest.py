"""The collection's code is imported as Ansible imports it: below ansible_collections."""

from gridmill.operations.bundle.ansible_internals import find_collections

find_collections()
