"""The steps: each takes the handle, calls one function of the domain, and returns its result."""
