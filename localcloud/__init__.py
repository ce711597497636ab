"""A QingCloud on this machine: its API, its machines, and the Kubernetes they run."""
