"""Sets up the Pulumi engine and the command plugin; standard library only."""
