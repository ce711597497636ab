"""Simulation of a policy over hours of load, before it is switched on."""
