"""One-word columns of `kubectl get`."""

from datetime import UTC, datetime, timedelta

import pytest

from localcloud.kubernetes.printing.words import age

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"), (119, "119s"), (120, "2m"), (330, "5m30s"), (3600, "60m"), (10800, "3h"),
        (12600, "3h30m"), (86400, "24h"), (180000, "2d2h"), (864000, "10d"), (86400 * 800, "2y70d"),
    ],
)  # fmt: skip
def test_ages_read_as_kubectl_writes_them(seconds, text):
    since = (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert age(since, NOW) == text
