"""What is measured of a cluster: metrics, alarms, cost."""
