"""Prefect blocks: typed settings and secrets, each hands out one client."""
