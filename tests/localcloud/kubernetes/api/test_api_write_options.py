"""Query options of writes, and the handling of unknown fields."""

import pytest

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
MISSPELT = {"metadata": {"name": "a", "lables": {"x": "y"}}, "foo": 1, "data": {"x": "1"}}
CHANGES = [
    (MERGE, {"foo": 2, "metadata": {"lables": {}}}),
    (STRATEGIC, {"foo": 2, "metadata": {"lables": {}}}),
    (
        JSON_PATCH,
        [
            {"op": "add", "path": "/metadata/lables", "value": {}},
            {"op": "add", "path": "/foo", "value": 2},
        ],
    ),
]
UNKNOWN = ['unknown field "metadata.lables"', 'unknown field "foo"']
WARNED = [rf'299 - "unknown field \"{path}\""' for path in ("metadata.lables", "foo")]


@pytest.mark.parametrize("mode", ["", "fieldValidation=Warn", "fieldValidation="])
def test_unknown_fields_are_dropped_with_a_warning_for_each(send, mode):
    created = send("POST", CONFIG_MAPS, MISSPELT, query=mode)
    assert created.warnings == WARNED
    stored = send("GET", f"{CONFIG_MAPS}/a").content()
    assert stored["data"] == {"x": "1"}
    assert "foo" not in stored
    assert "lables" not in stored["metadata"]


def test_ignored_unknown_fields_are_dropped_without_a_warning(send):
    created = send("POST", CONFIG_MAPS, MISSPELT, query="fieldValidation=Ignore")
    assert created.warnings == []
    assert "foo" not in created.content()


@pytest.mark.parametrize(("media", "patch"), CHANGES)
def test_a_patch_of_unknown_fields_only_warns_and_changes_nothing(send, media, patch):
    before = send("POST", CONFIG_MAPS, {"metadata": {"name": "a"}}).content()
    patched = send("PATCH", f"{CONFIG_MAPS}/a", patch, media=media)
    assert sorted(patched.warnings) == sorted(WARNED)
    assert patched.content() == before


@pytest.mark.parametrize(("media", "patch"), CHANGES)
def test_a_strict_patch_of_unknown_fields_is_invalid(send, media, patch):
    send("POST", CONFIG_MAPS, {"metadata": {"name": "a"}})
    strict = {"media": media, "query": "fieldValidation=Strict"}
    status, message = send.refused("PATCH", f"{CONFIG_MAPS}/a", patch, **strict)
    assert status == 422
    assert message.startswith(' "" is invalid: patch: Invalid value: "')
    assert all(text in message for text in ("strict decoding error: ", *UNKNOWN))


def test_an_update_drops_unknown_fields_and_warns(send):
    send("POST", CONFIG_MAPS, {"metadata": {"name": "a"}})
    updated = send("PUT", f"{CONFIG_MAPS}/a", MISSPELT)
    assert updated.warnings == WARNED
    assert "foo" not in updated.content()


@pytest.mark.parametrize(
    ("query", "why"),
    [
        (
            "fieldValidation=Nope",
            'fieldValidation: Unsupported value: "Nope": supported values: "", "Ignore", '
            '"Strict", "Warn"',
        ),
        ("dryRun=Nope", 'dryRun: Unsupported value: ["Nope"]: supported values: "All"'),
        (
            f"fieldManager={'x' * 129}",
            "fieldManager: Too long: may not be more than 128 bytes",
        ),
    ],
)
def test_an_unknown_option_of_a_write_is_invalid(send, query, why):
    send("POST", CONFIG_MAPS, {"metadata": {"name": "a"}})
    for method, path, options in (
        ("POST", CONFIG_MAPS, "CreateOptions"),
        ("PUT", f"{CONFIG_MAPS}/a", "UpdateOptions"),
        ("PATCH", f"{CONFIG_MAPS}/a", "PatchOptions"),
    ):
        body = {"metadata": {"name": "a"}}
        media = MERGE if method == "PATCH" else ""
        status, message = send.refused(method, path, body, query=query, media=media)
        assert (status, message) == (422, f'{options}.meta.k8s.io "" is invalid: {why}')


@pytest.mark.parametrize(
    ("media", "query", "why"),
    [
        (APPLY, "", "fieldManager: Required value: is required for apply patch"),
        (MERGE, "force=true", "force: Forbidden: may not be specified for non-apply patch"),
    ],
)
def test_an_apply_names_its_manager_and_nothing_else_uses_force(send, media, query, why):
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    for _ in ("creating", "changing"):
        status, message = send.refused("PATCH", f"{CONFIG_MAPS}/a", body, query=query, media=media)
        assert (status, message) == (422, f'PatchOptions.meta.k8s.io "" is invalid: {why}')
        send("POST", CONFIG_MAPS, body)


def test_a_refused_strict_patch_is_shown_with_what_is_unknown_in_it(send):
    send("POST", CONFIG_MAPS, {"metadata": {"name": "a"}})
    strict = {"media": MERGE, "query": "fieldValidation=Strict"}
    _, message = send.refused("PATCH", f"{CONFIG_MAPS}/a", {"foo": 2}, **strict)
    assert r"\"foo\":2}" in message
