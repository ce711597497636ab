"""One use case a file; each runs as `python -m flows.<name>` and as a Prefect flow."""
