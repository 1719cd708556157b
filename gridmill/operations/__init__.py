"""What runs processes or talks to hosts: the runner behind the seam, preflight, status and the command line."""
