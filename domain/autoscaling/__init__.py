"""How many machines a group needs, and why: pure decisions, with a replay to try them on."""
