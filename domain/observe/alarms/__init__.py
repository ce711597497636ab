"""Alarms: rules over samples, their states from ok to resolved, and the notifications."""
