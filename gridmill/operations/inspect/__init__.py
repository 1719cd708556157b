"""Looks at a site's machines and changes nothing: preflight, status, drift, what is measured."""
