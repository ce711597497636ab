"""The emulated API server.

From the wire inwards: `wire` (TLS), `app` (HTTP), `bodies` (JSON, YAML, protobuf) and `server`,
which dispatches a `calls.Call`. Outwards again: `render` and `streaming`.
"""
