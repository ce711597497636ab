"""Fault injection: the kinds of faults, those in force, and what they hit."""
