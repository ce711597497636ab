"""One class per outside system; nothing else in the house talks to the outside."""
