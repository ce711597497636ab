"""What can be typed: the parsers of this room's commands, as `flows/_cli/flags/` has the others."""
