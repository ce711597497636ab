"""Reports, drawings and the dashboard."""
