"""Backups of a cluster: what is in one, how it is sealed, which are kept, which may be restored."""
