"""Machines: an SSH server and a folder each, on which real scripts run."""
