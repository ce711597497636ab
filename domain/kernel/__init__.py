"""What everything rests on: errors, waiting, names, durations, money."""
