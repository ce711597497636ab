"""Refused patches, deletions and bodies, with the real server's messages."""

import pytest

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.mark.parametrize(
    ("media", "patch", "why"),
    [
        (MERGE, {"data": {"x": 5}}, "json: cannot unmarshal number into Go struct field "),
        (STRATEGIC, {"data": {"x": 5}}, '"map[data:map[x:5]]": cannot convert int64 to string'),
        (STRATEGIC, {"data": {"x": True}}, '"map[data:map[x:true]]": unrecognized type: string'),
        (STRATEGIC, {"data": []}, '"map[data:[]]": cannot restore map from slice'),
    ],
)
def test_a_patch_to_a_wrong_type_is_invalid(send, media, patch, why):
    send("POST", CONFIG_MAPS, {"metadata": {"name": "a"}})
    status, message = send.refused("PATCH", f"{CONFIG_MAPS}/a", patch, media=media)
    assert status == 422
    assert why in message


@pytest.mark.parametrize(
    ("media", "patch", "answer"),
    [
        (
            MERGE,
            [1],
            (
                400,
                "error decoding patch: json: cannot unmarshal array into Go value of type "
                "map[string]interface {}",
            ),
        ),
        (
            STRATEGIC,
            "x",
            (400, "json: cannot unmarshal string into Go value of type map[string]interface {}"),
        ),
        (
            JSON_PATCH,
            {"op": "x"},
            (
                400,
                "error decoding patch: json: cannot unmarshal object into Go value of type "
                "[]handlers.jsonPatchOp",
            ),
        ),
        (MERGE, None, (400, "error decoding patch: unexpected end of JSON input")),
        *(
            (
                JSON_PATCH,
                [operation],
                (422, "the server rejected our request due to an error in our request"),
            )
            for operation in (
                {"op": "test", "path": "/data/x", "value": "9"},
                {"op": "remove", "path": "/data/none"},
                {"op": "frob", "path": "/data/x"},
                {"op": "move", "from": "/none", "path": "/data/x"},
                {"op": "copy", "path": "/data/x"},
                {"op": "add", "path": "data", "value": 5},
            )
        ),
    ],
)
def test_a_patch_that_cannot_be_applied_is_refused(send, media, patch, answer):
    send("POST", CONFIG_MAPS, {"metadata": {"name": "a"}, "data": {"x": "1"}})
    assert send.refused("PATCH", f"{CONFIG_MAPS}/a", patch, media=media) == answer


def test_a_json_patch_reads_a_missing_value_as_null(send):
    before = send("POST", CONFIG_MAPS, {"metadata": {"name": "a"}, "data": {"x": "1"}}).content()
    patch = [
        {"op": "copy", "from": "/none", "path": "/data/y"},
        {"op": "test", "path": "/data/none", "value": None},
    ]
    assert send("PATCH", f"{CONFIG_MAPS}/a", patch, media=JSON_PATCH).content() == before


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        (
            {"query": "propagationPolicy=Nope"},
            (
                422,
                'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: '
                '"Nope": supported values: "Foreground", "Background", "Orphan", "nil"',
            ),
        ),
        (
            {"body": {"propagationPolicy": "Orphan", "orphanDependents": True}},
            (
                422,
                'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Invalid value: '
                '"Orphan": orphanDependents and deletionPropagation cannot be both set',
            ),
        ),
        *(
            (
                {option: given},
                (
                    422,
                    'DeleteOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: '
                    '["all"]: supported values: "All"',
                ),
            )
            for option, given in (("query", "dryRun=all"), ("body", {"dryRun": ["all"]}))
        ),
        (
            {"query": "gracePeriodSeconds=abc"},
            (400, 'strconv.ParseInt: parsing "abc": invalid syntax'),
        ),
        (
            {"body": {"preconditions": {"uid": "1", "resourceVersion": "1"}}},
            (
                409,
                'Operation cannot be fulfilled on ConfigMap "a": the ResourceVersion in the '
                "precondition (1) does not match the ResourceVersion in record ({}). The object "
                "might have been modified",
            ),
        ),
    ],
)
def test_deleting_with_unmet_preconditions_is_refused(send, options, answer):
    created = send("POST", CONFIG_MAPS, {"metadata": {"name": "a"}}).content()
    status, message = send.refused("DELETE", f"{CONFIG_MAPS}/a", **options)
    version = created["metadata"]["resourceVersion"]
    assert (status, message) == (answer[0], answer[1].format(version))
    assert send("GET", f"{CONFIG_MAPS}/a").content() == created


def test_an_object_with_a_finalizer_has_no_grace_seconds(send):
    send("POST", CONFIG_MAPS, {"metadata": {"name": "a", "finalizers": ["ex.com/x"]}})
    assert (
        send("DELETE", f"{CONFIG_MAPS}/a").content()["metadata"]["deletionGracePeriodSeconds"] == 0
    )
    patch = {"metadata": {"finalizers": None}}
    assert send("PATCH", f"{CONFIG_MAPS}/a", patch, media=MERGE).status == 200
    assert send("GET", f"{CONFIG_MAPS}/a").status == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/api/v1/configmaps"),
        ("POST", f"{CONFIG_MAPS}/a"),
        ("PUT", CONFIG_MAPS),
        ("PATCH", CONFIG_MAPS),
    ],
)
def test_a_write_in_the_wrong_place_is_not_allowed(send, method, path):
    media = MERGE if method == "PATCH" else ""
    assert send(method, path, {"metadata": {"name": "a"}}, media=media).status == 405


@pytest.mark.parametrize(
    ("method", "path", "body", "answer"),
    [
        (
            "POST",
            CONFIG_MAPS,
            {"kind": "ConfigMap", "apiVersion": "v2"},
            (
                400,
                'ConfigMap in version "v2" cannot be handled as a ConfigMap: no kind "ConfigMap" '
                'is registered for version "v2" in scheme "pkg/api/legacyscheme/scheme.go:30"',
            ),
        ),
        (
            "POST",
            CONFIG_MAPS,
            {"kind": "Secret", "apiVersion": "v1"},
            (
                400,
                'Secret in version "v1" cannot be handled as a ConfigMap: converting (v1.Secret) '
                "to (core.ConfigMap): unknown conversion",
            ),
        ),
        (
            "POST",
            CONFIG_MAPS,
            {"metadata": {"name": "a", "resourceVersion": "5"}},
            (500, "resourceVersion should not be set on objects to be created"),
        ),
        (
            "PUT",
            f"{CONFIG_MAPS}/kube-root-ca.crt",
            {"data": {"n": "1"}},
            (
                400,
                "the name of the object (kube-root-ca.crt based on URL) was undeterminable: "
                "name must be provided",
            ),
        ),
        (
            "POST",
            "/api/v1/namespaces/default/serviceaccounts/robot/token",
            {"spec": {"expirationSeconds": 60}},
            (
                422,
                'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid '
                "value: 60: may not specify a duration less than 10 minutes",
            ),
        ),
    ],
)
def test_a_body_for_another_path_is_refused(send, method, path, body, answer):
    send("POST", CONFIG_MAPS, {"metadata": {"name": "kube-root-ca.crt"}})
    send("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "robot"}})
    assert send.refused(method, path, body) == answer


def test_empty_fields_are_not_stored(send):
    metadata = {"name": "a", "labels": {}, "annotations": {}, "finalizers": []}
    stored = send("POST", CONFIG_MAPS, {"metadata": metadata, "data": {}}).content()
    assert "data" not in stored
    assert set(stored["metadata"]).isdisjoint({"labels", "annotations", "finalizers"})


@pytest.mark.parametrize(
    ("path", "body", "why"),
    [
        ("secrets", {"data": {"a": "!!!!"}}, "illegal base64 data at input byte 0"),
        ("secrets", {"data": {"a": "YWJj?"}}, "illegal base64 data at input byte 4"),
        ("secrets", {"data": {"a": "YWJjY"}}, "illegal base64 data at input byte 4"),
        ("configmaps", {"binaryData": {"a": "-_"}}, "illegal base64 data at input byte 0"),
        (
            "events",
            {"involvedObject": {}, "firstTimestamp": "20260101T000000+0000"},
            'parsing time "20260101T000000+0000" as "2006-01-02T15:04:05Z07:00": cannot parse it',
        ),
        (
            "pods",
            {"spec": {"containers": [{"name": "a", "resources": {"limits": {"cpu": "1\n"}}}]}},
            "quantities must match the regular expression "
            "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
    ],
)
def test_a_text_that_go_could_not_read_again_is_refused(send, path, body, why):
    body = {"metadata": {"name": "a"}, **body}
    status, message = send.refused("POST", f"/api/v1/namespaces/default/{path}", body)
    assert (status, message.partition(": ")[2]) == (400, why)


def test_encoded_contents_may_have_line_breaks(send):
    secret = {"metadata": {"name": "a"}, "data": {"a": "YW\nJj\r\n"}}
    assert send("POST", "/api/v1/namespaces/default/secrets", secret).status == 201
