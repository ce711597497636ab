"""The metric of deprecated APIs that clients have used since the API server's start."""

from localcloud.kubernetes.api.calls import Target

_NAME = "apiserver_requested_deprecated_apis"
_HEAD = f"""\
# HELP {_NAME} [STABLE] Gauge of deprecated APIs that have been requested, broken out by API \
group, version, resource, subresource, and removed_release.
# TYPE {_NAME} gauge
"""
_DEPRECATED = {("", "v1", "componentstatuses"): "", ("", "v1", "endpoints"): ""}
"""Group, version and resource, with the release that does not serve it any more; none is planned
for these. What later releases remove is not emulated."""


class DeprecatedApis:
    """Notes requests, and renders the metric."""

    def __init__(self) -> None:
        self._asked: set[tuple[str, str, str, str]] = set()

    def note(self, target: Target) -> None:
        if (target.group, target.version, target.resource) in _DEPRECATED:
            found = (target.group, target.version, target.resource, target.subresource)
            self._asked.add(found)

    def render(self) -> str:
        """Return the text format of Prometheus; a real server has hundreds of others beside it."""
        lines = [
            f'{_NAME}{{group="{group}",removed_release="{_DEPRECATED[group, version, resource]}",'
            f'resource="{resource}",subresource="{subresource}",version="{version}"}} 1\n'
            for group, version, resource, subresource in sorted(self._asked)
        ]
        return _HEAD + "".join(lines) if lines else ""
