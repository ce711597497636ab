"""Merging into a user's kubeconfig: no entry is lost, and none of ours is duplicated."""

import base64
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.kernel.errors import InvalidSpec
from domain.secrets.kubeconfig import (
    ClusterAccess,
    merge_kubeconfig,
    other_contexts,
    remove_from_kubeconfig,
    render_kubeconfig,
)

DEMO = ClusterAccess("https://127.1.2.3:8080", "CA", "CERT", "KEY")
THEIRS = """\
apiVersion: v1
kind: Config
preferences: {colors: true}
clusters:
- {name: work, cluster: {server: 'https://work:6443', insecure-skip-tls-verify: true}}
users:
- name: me
  user: {token: abc, expiry: 2026-11-23T04:00:00Z}
contexts:
- {name: demo, context: {cluster: work, user: me, namespace: team}}
current-context: demo
"""

NAMES = st.text("abcdefk8s.-", min_size=1, max_size=8)
SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
BODIES = st.dictionaries(NAMES, SCALARS, max_size=3)


def entries(key: str) -> st.SearchStrategy[Any]:
    entry = st.fixed_dictionaries({"name": NAMES, key: BODIES})
    return st.none() | st.lists(entry, max_size=4)


CONFIGS = st.fixed_dictionaries(
    {"apiVersion": st.just("v1"), "kind": st.just("Config")},
    optional={
        "clusters": entries("cluster"),
        "users": entries("user"),
        "contexts": entries("context"),
        "current-context": NAMES | st.just(""),
        "preferences": BODIES,
    },
)


def read(text: str) -> Any:
    return yaml.safe_load(text)


def of_name(config: Any, kind: str, name: str) -> Any:
    (entry,) = [entry for entry in config[kind] if entry["name"] == name]
    return entry[kind.removesuffix("s")]


def test_a_rendered_file_reaches_the_cluster_by_itself() -> None:
    config = read(render_kubeconfig("demo", DEMO))
    context = of_name(config, "contexts", config["current-context"])
    cluster = of_name(config, "clusters", context["cluster"])
    user = of_name(config, "users", context["user"])
    assert (config["apiVersion"], config["kind"]) == ("v1", "Config")
    assert cluster["server"] == DEMO.server
    assert base64.b64decode(cluster["certificate-authority-data"]) == b"CA"
    assert base64.b64decode(user["client-certificate-data"]) == b"CERT"
    assert base64.b64decode(user["client-key-data"]) == b"KEY"


def test_a_context_of_the_same_name_as_our_cluster_stays() -> None:
    merged = read(merge_kubeconfig(THEIRS, "demo", DEMO))
    assert of_name(merged, "contexts", "demo")["cluster"] == "work"
    assert of_name(merged, "contexts", "k8s.demo")["cluster"] == "k8s.demo"
    assert merged["preferences"] == {"colors": True}


def test_a_merge_does_not_change_dates() -> None:
    merged = read(merge_kubeconfig(THEIRS, "demo", DEMO))
    assert of_name(merged, "users", "me")["expiry"] == "2026-11-23T04:00:00Z"


@pytest.mark.parametrize(
    ("existing", "asked", "current"),
    [
        (THEIRS, False, "demo"),
        (THEIRS, True, "k8s.demo"),
        (THEIRS.replace("current-context: demo", 'current-context: ""'), False, "k8s.demo"),
        ("", False, "k8s.demo"),
    ],
    ids=["not-asked", "asked", "none-so-far", "new-file"],
)
def test_the_current_context_changes_only_when_asked_or_empty(
    existing: str, asked: bool, current: str
) -> None:
    merged = read(merge_kubeconfig(existing, "demo", DEMO, make_current=asked))
    assert merged["current-context"] == current


def test_a_new_address_replaces_the_old_one() -> None:
    old = merge_kubeconfig(THEIRS, "demo", DEMO)
    moved = ClusterAccess("https://127.9.9.9:8080", "CA", "CERT", "KEY")
    merged = read(merge_kubeconfig(old, "demo", moved))
    assert of_name(merged, "clusters", "k8s.demo")["server"] == moved.server


def test_the_namespace_that_a_user_has_set_on_our_context_stays() -> None:
    config = read(merge_kubeconfig(THEIRS, "demo", DEMO))
    of_name(config, "contexts", "k8s.demo")["namespace"] = "mine"
    merged = read(merge_kubeconfig(yaml.safe_dump(config), "demo", DEMO))
    assert of_name(merged, "contexts", "k8s.demo")["namespace"] == "mine"


@given(CONFIGS)
@settings(deadline=None)  # a busy machine is no failure
def test_every_other_entry_stays(config: Any) -> None:
    merged = read(merge_kubeconfig(yaml.safe_dump(config), "demo", DEMO))
    for kind in ("clusters", "users", "contexts"):
        ours = {"k8s.demo", "k8s.demo.admin"}
        kept = [entry for entry in merged[kind] if entry["name"] not in ours]
        assert kept == [e for e in config.get(kind) or [] if e["name"] not in ours]
    assert merged.get("preferences") == config.get("preferences")


@given(CONFIGS)
@settings(deadline=None)  # a busy machine is no failure
def test_merging_again_changes_nothing(config: Any) -> None:
    once = merge_kubeconfig(yaml.safe_dump(config), "demo", DEMO)
    assert merge_kubeconfig(once, "demo", DEMO) == once


@given(CONFIGS)
@settings(deadline=None)  # a busy machine is no failure
def test_two_clusters_are_kept_side_by_side(config: Any) -> None:
    first = merge_kubeconfig(yaml.safe_dump(config), "demo", DEMO)
    both = merge_kubeconfig(first, "other", DEMO)
    without = remove_from_kubeconfig(both, "demo")
    names = [entry["name"] for entry in read(without)["contexts"]]
    assert "k8s.other" in names
    assert "k8s.demo" not in names


@given(CONFIGS)
@settings(deadline=None)  # a busy machine is no failure
def test_removing_undoes_merging(config: Any) -> None:
    merged = merge_kubeconfig(yaml.safe_dump(config), "demo", DEMO)
    removed = read(remove_from_kubeconfig(merged, "demo"))
    for kind in ("clusters", "users", "contexts"):
        assert removed[kind] == (config.get(kind) or [])
    assert removed["current-context"] == (config.get("current-context") or "")


def test_a_file_without_the_cluster_stays_as_it_is() -> None:
    assert remove_from_kubeconfig(THEIRS, "demo") == THEIRS


def test_contexts_of_other_clusters_are_found_before_they_are_overwritten() -> None:
    ours = merge_kubeconfig("", "demo", DEMO)
    assert other_contexts("", "demo") == []
    assert other_contexts(ours, "demo") == []
    assert other_contexts(merge_kubeconfig(ours, "other", DEMO), "demo") == ["k8s.other"]


REMEDY = r"kubeconfig.*(repair|name another)"


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param("clusters: [", id="no-yaml"),
        pytest.param("a: 0b_", id="a-number-that-is-none"),
        pytest.param("just text", id="no-mapping"),
        pytest.param("- a\n- b\n", id="a-list"),
        pytest.param("kind: Pod\nmetadata: {name: x}", id="another-kind"),
        pytest.param("clusters: {a: b}", id="clusters-no-list"),
        pytest.param("users: [{user: {token: secret}}]", id="entry-without-name"),
        pytest.param("a: 1\n---\nb: 2\n", id="two-documents"),
    ],
)
def test_a_broken_file_is_refused_with_a_sentence(broken: str) -> None:
    with pytest.raises(InvalidSpec, match=REMEDY) as merging:
        merge_kubeconfig(broken, "demo", DEMO)
    with pytest.raises(InvalidSpec, match=REMEDY) as removing:
        remove_from_kubeconfig(broken, "demo")
    for caught in (merging, removing):
        assert "\n" not in str(caught.value)
        assert "secret" not in str(caught.value)
