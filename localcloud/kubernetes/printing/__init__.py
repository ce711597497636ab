"""Server-side tables: `tables` renders a list, `printers` has the columns of each kind."""
