"""The emulated API server.

From the wire inwards: `wire` (TLS), `app` (HTTP), `bodies` (JSON, YAML, protobuf) and `server`,
which takes a `calls.Call` and finds who answers it. Outwards again: `render` and `streaming`.
"""
