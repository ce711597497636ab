"""Events as events.k8s.io/v1, converted from the stored core/v1 ones."""

from localcloud.kubernetes.objects.kinds import NEW_EVENT
from localcloud.kubernetes.objects.store import Stored

_RENAMED = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}


def newer_form(stored: Stored) -> Stored:
    """Return an event with the field names of the newer API."""
    body = {_RENAMED.get(key, key): value for key, value in stored.body.items()}
    body["apiVersion"] = NEW_EVENT.api_version
    # Clients with strict types refuse an event without a time.
    made = stored.body["metadata"]["creationTimestamp"]
    body["eventTime"] = body.get("eventTime") or body.get("deprecatedFirstTimestamp") or made
    return Stored(body, stored.version)
