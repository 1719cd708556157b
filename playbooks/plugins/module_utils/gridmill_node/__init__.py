"""What Gridmill's own Ansible modules share: plain Python on the standard library, tested without Ansible."""
