"""Everything that a user writes: the description of a cluster, its rules and policies."""
