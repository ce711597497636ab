"""Stand-ins for the commands that act on a machine, one family a module.

On a machine each is a small bash script (command_server.py) that calls the daemon, where a handler
here does the work. A stand-in refuses arguments that it does not know.
"""
