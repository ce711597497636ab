"""The foundation that all rooms use: errors, waiting, names, durations, money."""
