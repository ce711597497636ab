"""The QingCloud HTTP API: signatures, actions, jobs, and the network they describe."""
