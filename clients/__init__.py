"""One class per external system. No other room connects to external systems."""
