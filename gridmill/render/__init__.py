"""Printing the plan: documents for the seam, inventories, tables. Nothing is decided here."""
