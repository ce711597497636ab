"""The objects of an API server: kinds, rules and store.

Begin with `kinds`, the table that everything reads, and `schema`, the table of their fields.
`registry` creates and updates by way of `defaults`, `shapes` and `validation`, and writes to
`store`; `watching` reports every write.
"""
