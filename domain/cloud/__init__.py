"""QingCloud's resources: records, inventory, preflight, plan, and one module for each kind."""
