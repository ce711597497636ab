"""Metrics, alarms and cost of a cluster."""
