"""What a cluster's own API holds: records, stored description, tokens, leases, the demo."""
