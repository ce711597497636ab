"""Server-side tables: `tables` makes one of any list, `printers` knows the columns of each kind."""
