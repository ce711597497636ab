"""Merging into a user's kubeconfig: no entry is lost, and none of ours is duplicated."""

import base64
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.kernel.errors import InvalidSpec
from domain.kernel.names import ClusterId
from domain.secrets.kubeconfig import (
    ClusterAccess,
    choose_context,
    merge_kubeconfig,
    other_contexts,
    render_kubeconfig,
)

ID, OTHER = ClusterId("demo", "demo-1a2b3c4d"), ClusterId("other", "other-1a2b3c4d")
DEMO = ClusterAccess("https://127.1.2.3:8080", "CA", "CERT", "KEY")
OTHERS = ClusterAccess("https://127.9.9.9:8080", "CA2", "CERT2", "KEY2")
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
    config = read(render_kubeconfig(ID, DEMO))
    context = of_name(config, "contexts", config["current-context"])
    cluster = of_name(config, "clusters", context["cluster"])
    user = of_name(config, "users", context["user"])
    assert (config["apiVersion"], config["kind"]) == ("v1", "Config")
    assert cluster["server"] == DEMO.server
    assert base64.b64decode(cluster["certificate-authority-data"]) == b"CA"
    assert base64.b64decode(user["client-certificate-data"]) == b"CERT"
    assert base64.b64decode(user["client-key-data"]) == b"KEY"


def test_a_context_of_the_same_name_as_our_cluster_stays() -> None:
    merged = read(merge_kubeconfig(THEIRS, ID, DEMO))
    assert of_name(merged, "contexts", "demo")["cluster"] == "work"
    assert of_name(merged, "contexts", "k8s.demo")["cluster"] == "k8s.demo"
    assert merged["preferences"] == {"colors": True}


def test_a_merge_does_not_change_dates() -> None:
    merged = read(merge_kubeconfig(THEIRS, ID, DEMO))
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
    merged = read(merge_kubeconfig(existing, ID, DEMO, make_current=asked))
    assert merged["current-context"] == current


def test_a_new_address_replaces_the_old_one() -> None:
    old = merge_kubeconfig(THEIRS, ID, DEMO)
    moved = ClusterAccess("https://127.9.9.9:8080", "CA", "CERT", "KEY")
    merged = read(merge_kubeconfig(old, ID, moved))
    assert of_name(merged, "clusters", "k8s.demo")["server"] == moved.server


def test_the_namespace_that_a_user_has_set_on_our_context_stays() -> None:
    config = read(merge_kubeconfig(THEIRS, ID, DEMO))
    of_name(config, "contexts", "k8s.demo")["namespace"] = "mine"
    merged = read(merge_kubeconfig(yaml.safe_dump(config), ID, DEMO))
    assert of_name(merged, "contexts", "k8s.demo")["namespace"] == "mine"


@given(CONFIGS)
@settings(deadline=None)  # a busy machine is no failure
def test_every_other_entry_stays(config: Any) -> None:
    merged = read(merge_kubeconfig(yaml.safe_dump(config), ID, DEMO))
    for kind in ("clusters", "users", "contexts"):
        ours = {"k8s.demo", "k8s.demo.admin"}
        kept = [entry for entry in merged[kind] if entry["name"] not in ours]
        assert kept == [e for e in config.get(kind) or [] if e["name"] not in ours]
    assert merged.get("preferences") == config.get("preferences")


@given(CONFIGS)
@settings(deadline=None)  # a busy machine is no failure
def test_merging_again_changes_nothing(config: Any) -> None:
    once = merge_kubeconfig(yaml.safe_dump(config), ID, DEMO)
    assert merge_kubeconfig(once, ID, DEMO) == once


@given(CONFIGS)
@settings(deadline=None)  # a busy machine is no failure
def test_two_clusters_are_kept_side_by_side(config: Any) -> None:
    first = merge_kubeconfig(yaml.safe_dump(config), ID, DEMO)
    both = merge_kubeconfig(first, OTHER, DEMO)
    names = [entry["name"] for entry in read(both)["contexts"]]
    assert {"k8s.other", "k8s.demo"} <= set(names)


def test_the_cluster_of_another_account_gets_a_context_with_its_account() -> None:
    second = ClusterId("demo", "demo-5e6f7a8b")
    both = merge_kubeconfig(merge_kubeconfig(THEIRS, ID, DEMO), second, OTHERS)
    config = read(both)
    assert of_name(config, "clusters", "k8s.demo")["server"] == DEMO.server
    assert of_name(config, "clusters", "k8s.demo-5e6f7a8b")["server"] == OTHERS.server
    user = of_name(config, "contexts", "k8s.demo-5e6f7a8b")["user"]
    assert of_name(config, "users", user) != of_name(config, "users", "k8s.demo.admin")
    assert choose_context(both, ID) == "k8s.demo"
    assert choose_context(both, second) == "k8s.demo-5e6f7a8b"
    assert merge_kubeconfig(both, second, OTHERS) == both


def test_an_entry_of_an_earlier_version_is_taken_over() -> None:
    config = read(merge_kubeconfig(THEIRS, ID, DEMO))
    del of_name(config, "clusters", "k8s.demo")["extensions"]
    merged = read(merge_kubeconfig(yaml.safe_dump(config), ID, OTHERS))
    assert of_name(merged, "clusters", "k8s.demo")["server"] == OTHERS.server


def test_what_a_person_has_added_to_our_entries_stays() -> None:
    config = read(merge_kubeconfig(THEIRS, ID, DEMO))
    cluster = of_name(config, "clusters", "k8s.demo")
    cluster |= {"proxy-url": "socks5://127.0.0.1:1080", "insecure-skip-tls-verify": True}
    cluster["extensions"].append({"name": "mine", "extension": {"colour": "red"}})
    of_name(config, "users", "k8s.demo.admin")["as"] = "somebody"
    merged = read(merge_kubeconfig(yaml.safe_dump(config), ID, OTHERS))
    cluster = of_name(merged, "clusters", "k8s.demo")
    assert cluster["server"] == OTHERS.server
    assert cluster["proxy-url"] == "socks5://127.0.0.1:1080"
    assert "insecure-skip-tls-verify" not in cluster  # beside a CA kubectl refuses it
    assert [one["name"] for one in cluster["extensions"]] == ["k8s-qingcloud", "mine"]
    assert of_name(merged, "users", "k8s.demo.admin")["as"] == "somebody"


def test_contexts_of_other_clusters_are_found_before_they_are_overwritten() -> None:
    ours = merge_kubeconfig("", ID, DEMO)
    assert other_contexts("", ID) == []
    assert other_contexts(ours, ID) == []
    assert other_contexts(merge_kubeconfig(ours, OTHER, DEMO), ID) == ["k8s.other"]


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
        merge_kubeconfig(broken, ID, DEMO)
    assert "\n" not in str(merging.value)
    assert "secret" not in str(merging.value)
