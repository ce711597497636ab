"""The dashboard: what it shows, its charts, and the page that holds them."""
