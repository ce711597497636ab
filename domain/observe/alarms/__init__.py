"""Alarms: rules over the samples, their life from ok to resolved, and what people are told."""
