"""Who asks, how that is proved, and what it allows: users, tokens, roles, impersonation."""
