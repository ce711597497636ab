"""What goes wrong on purpose: which faults there are, which are in force, and whom they hit."""
