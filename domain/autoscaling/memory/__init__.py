"""The memory of decisions."""
