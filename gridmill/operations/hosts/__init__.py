"""How hosts are reached: SSH, one or many at once, and waiting for one that restarts."""
