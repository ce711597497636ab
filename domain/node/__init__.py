"""The life of a machine, one module a step: launch, log in, install, join, ready, drain, remove."""
