"""What people look at: reports, drawings, dashboard."""
