"""Whether a cluster is well: one module a subject, each from what was read to findings."""
