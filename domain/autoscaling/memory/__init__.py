"""What one decision keeps for the next."""
