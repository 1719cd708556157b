"""Slurm's nodes and jobs, asked of and told to the first controller."""
