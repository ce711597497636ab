"""Hours of simulated time, to try a policy before it is switched on."""
