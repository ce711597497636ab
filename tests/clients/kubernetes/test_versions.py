"""Versions of API servers, and deprecated APIs in their metrics."""

from clients.kubernetes.versions import requested_from, version_from
from domain.cluster.versions import RequestedApi

METRICS = """\
# HELP apiserver_requested_deprecated_apis [STABLE] Gauge of deprecated APIs
# TYPE apiserver_requested_deprecated_apis gauge
apiserver_requested_deprecated_apis{group="",removed_release="",resource="endpoints",\
subresource="",version="v1"} 1
apiserver_requested_deprecated_apis{group="a.k8s.io",removed_release="1.37",resource="things",\
subresource="status",version="v1beta1"} 1
apiserver_requested_deprecated_apis{group="b.k8s.io",removed_release="1.37",resource="none",\
subresource="",version="v1beta1"} 0
apiserver_request_total{code="200",verb="GET"} 4711
"""


def test_what_was_used_is_read_out_of_all_metrics() -> None:
    assert requested_from(METRICS) == [
        RequestedApi("", "v1", "endpoints", ""),
        RequestedApi("a.k8s.io", "v1beta1", "things", "1.37"),
    ]
    assert requested_from("") == []


def test_a_digest_behind_the_tag_is_no_version() -> None:
    for image in ("r.example:5000/kube-apiserver:v1.36.4", "r/kube-apiserver:v1.36.4@sha256:ab"):
        pod = {"spec": {"nodeName": "m", "containers": [{"image": image}]}}
        assert version_from(pod) == ("m", "v1.36.4")
