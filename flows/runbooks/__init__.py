"""The runbooks: the steps of a run, their order, and which of them run in parallel.

Plain functions over an executor of steps. The flows pass Prefect's; the crash tests and the
benchmarks pass a plain one. Begin reading with `provision`.
"""
