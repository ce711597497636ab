"""What a decision looks at: nodes, machines, pods, and the readings of the rules."""
