"""Contents of a cluster's own API: records, stored description, join tokens, leases, demo."""
