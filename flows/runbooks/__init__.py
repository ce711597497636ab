"""The runbooks: which steps there are, in which order, and what runs beside what.

Plain functions over an executor of steps. Production gives them Prefect's; the crash tests and the
benchmarks give them a plain one. Begin reading with `provision`.
"""
