"""Which pods fit on which nodes, and how many machines they need."""
