"""The decision, and the reasons for it."""
