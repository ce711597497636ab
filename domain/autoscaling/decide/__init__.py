"""The decision itself, and the reasons for it."""
