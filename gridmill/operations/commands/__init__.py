"""What the subcommands of `gridmill` ask and tell, where that is more than a few lines."""
