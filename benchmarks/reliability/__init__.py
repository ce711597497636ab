"""The crash matrix: every changing call of a cluster's life, struck in every way: `make matrix`.

`troubles` and `points` say what is struck, and how; `gate`, `relay` and `wires` strike; `child` is
the run that is struck, a process of its own; `ground` is the place of all this; `holdings` and
`compare` say what is left; `cycle` goes through the stages; `report` counts. Promises and figures
are in docs/reliability.md.
"""
