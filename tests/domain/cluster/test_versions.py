"""Which upgrades are allowed; everything else is refused before anything changes."""

from itertools import product

import pytest

from domain.cluster.versions import RequestedApi, Running, check_removed, check_version, parse
from domain.kernel.errors import InvalidSpec


def running(master: str = "v1.35.9", *kubelets: str) -> Running:
    nodes = kubelets or (master,)
    return Running({"m": master}, {f"n{i}": v for i, v in enumerate(nodes)}, master[1:])


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        pytest.param(running(), "1.35.9", id="the same"),
        pytest.param(running(), "1.36.4", id="the next minor"),
        pytest.param(running("v1.36.0"), "1.36.4", id="a patch"),
        pytest.param(
            running("v1.36.4", "v1.35.9", "v1.36.4"), "1.36.4", id="cut off in the middle"
        ),
        pytest.param(running("v1.37.1", "v1.34.2"), "1.37.1", id="kubelets three behind"),
        pytest.param(running("v1.36.2+k3s1"), "1.36.4", id="a vendor's suffix"),
    ],
)
def test_one_minor_or_patch_at_a_time_is_allowed(seen: Running, wanted: str) -> None:
    check_version(seen, wanted)


@pytest.mark.parametrize(
    ("seen", "wanted", "sentence"),
    [
        pytest.param(running("v1.36.4"), "1.36.3", "older than 1.36.4.*downgrade", id="patch back"),
        pytest.param(running("v1.36.4"), "1.35.9", "a downgrade is not possible", id="minor back"),
        pytest.param(running(), "1.37.1", "upgrade to a patch of 1.36 first", id="skipped minor"),
        pytest.param(
            running("v1.35.9", "v1.36.4"), "1.36.0", "older than 1.36.4", id="a newer kubelet"
        ),
        pytest.param(
            running("v1.36.4", "v1.33.1"), "1.37.1", "finish the upgrade", id="old kubelet"
        ),
    ],
)
def test_what_is_unsafe_is_refused(seen: Running, wanted: str, sentence: str) -> None:
    with pytest.raises(InvalidSpec, match=sentence):
        check_version(seen, wanted)


def test_masters_in_the_middle_of_an_upgrade_count_by_the_oldest_one() -> None:
    middle = Running({"a": "v1.36.4", "b": "v1.35.9"}, {"a": "v1.36.4", "b": "v1.35.9"}, "1.35.9")
    check_version(middle, "1.36.4")
    with pytest.raises(InvalidSpec, match="skips a minor version"):
        check_version(middle, "1.37.1")


def test_no_pair_of_versions_goes_back_or_over_a_minor() -> None:
    versions = [f"1.{minor}.{patch}" for minor, patch in product((35, 36, 37), (0, 9))]
    for now, wanted in product(versions, versions):
        is_fine = parse(wanted) >= parse(now) and parse(wanted)[1] - parse(now)[1] <= 1
        try:
            check_version(running(f"v{now}"), wanted)
            assert is_fine, (now, wanted)
        except InvalidSpec:
            assert not is_fine, (now, wanted)


def test_an_api_that_clients_use_and_the_new_version_lacks_is_refused_by_name() -> None:
    asked = [
        RequestedApi("", "v1", "endpoints", ""),  # deprecated, and not removed
        RequestedApi("example.k8s.io", "v1beta1", "things", "1.36"),
        RequestedApi("example.k8s.io", "v1beta2", "others", "1.37"),
    ]
    with pytest.raises(InvalidSpec, match=r"serve things of example.k8s.io/v1beta1, which"):
        check_removed(asked, "1.36.4", force=False)
    check_removed(asked, "1.36.4", force=True)
    check_removed(asked[::2], "1.36.4", force=False)
