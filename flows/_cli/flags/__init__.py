"""What can be typed: one file a command, which imports nothing slow.

Each has a record of the command's flags and an `app`, the parser that returns one. So help and
errors of typing come at once, and Prefect is imported by those commands only that use it.
"""
