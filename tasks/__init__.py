"""Thin Prefect tasks: open a client, call one plain function, return its record."""
