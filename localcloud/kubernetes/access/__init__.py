"""Authentication and authorization: users, tokens, roles, impersonation."""
