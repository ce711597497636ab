"""Stand-ins for the commands that act on a machine, one family a module.

On a machine each of them is one small bash script (door.py) that asks the daemon; what it then
does stands in the handlers here. What a stand-in does not know it refuses: nothing pretends.
"""
