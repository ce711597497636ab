from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest

from localcloud.iaas.actions import ACTIONS
from localcloud.iaas.errors import Refusal
from localcloud.iaas.signature import Account, sign, verify
from tests.localcloud.iaas.cloud_under_test import SECRET, CloudUnderTest, serve_cloud
from tests.localcloud.iaas.requests_by_hand import exchange, signed

VECTOR = {
    "access_key_id": "QYACCESSKEYIDEXAMPLE",
    "action": "RunInstances",
    "count": "1",
    "image_id": "centos64x86a",
    "instance_name": "demo",
    "instance_type": "small_b",
    "login_mode": "passwd",
    "login_passwd": "QingCloud20130712",
    "signature_method": "HmacSHA256",
    "signature_version": "1",
    "time_stamp": "2013-08-27T14:30:10Z",
    "version": "1",
    "vxnets.1": "vxnet-0",
    "zone": "pek3a",
}
VECTOR_SIGNATURE = "byjccvWIvAftaq+oublemagH3bYAlDWxxLFAzAsyslw="
VECTOR_TIME = datetime(2013, 8, 27, 14, 30, 10, tzinfo=UTC)
VECTOR_ACCOUNT = Account("QYACCESSKEYIDEXAMPLE", "SECRETACCESSKEY")


def test_signature_matches_the_documented_example() -> None:
    assert sign("GET", "/iaas/", VECTOR.items(), "SECRETACCESSKEY") == VECTOR_SIGNATURE


def test_documented_example_is_accepted_within_a_minute() -> None:
    pairs = [*VECTOR.items(), ("signature", VECTOR_SIGNATURE)]
    verify("GET", "/iaas/", pairs, VECTOR_ACCOUNT, VECTOR_TIME + timedelta(seconds=60))


@pytest.mark.parametrize(
    ("change", "ret_code", "words"),
    [
        pytest.param({"count": "2"}, 1200, "signature not matched", id="changed on the way"),
        pytest.param({"access_key_id": "X"}, 1200, "illegal access key [X]", id="unknown key"),
        pytest.param({"signature_method": "MD5"}, 1200, "[MD5]", id="unknown method"),
        pytest.param({"signature": ""}, 1100, "[signature]", id="not signed"),
        pytest.param({"time_stamp": ""}, 1100, "[time_stamp]", id="no time stamp"),
    ],
)
def test_request_is_refused_when_it(change: dict[str, str], ret_code: int, words: str) -> None:
    pairs = list((VECTOR | {"signature": VECTOR_SIGNATURE} | change).items())
    with pytest.raises(Refusal) as refusal:
        verify("GET", "/iaas/", pairs, VECTOR_ACCOUNT, VECTOR_TIME)
    assert refusal.value.ret_code == ret_code
    assert words in str(refusal.value)


def test_old_request_has_expired() -> None:
    pairs = [*VECTOR.items(), ("signature", VECTOR_SIGNATURE)]
    with pytest.raises(Refusal) as refusal:
        verify("GET", "/iaas/", pairs, VECTOR_ACCOUNT, VECTOR_TIME + timedelta(seconds=61))
    assert refusal.value.ret_code == 1300


def test_request_whose_own_expiry_has_passed_is_refused() -> None:
    pairs = [*VECTOR.items(), ("expires", "2013-08-27T14:30:20Z")]
    pairs.append(("signature", sign("GET", "/iaas/", pairs, "SECRETACCESSKEY")))
    with pytest.raises(Refusal) as refusal:
        verify("GET", "/iaas/", pairs, VECTOR_ACCOUNT, VECTOR_TIME + timedelta(seconds=11))
    assert refusal.value.ret_code == 1300


@pytest.mark.parametrize("path", ["/iaas", "/iaas/"])
@pytest.mark.parametrize("method", ["HmacSHA1", "HmacSHA256"])
def test_get_is_answered_on(cloud: CloudUnderTest, path: str, method: str) -> None:
    query = urlencode(signed("DescribeZones", "GET", path, signature_method=method))
    response, document = exchange(cloud, "GET", f"{path}?{query}")
    assert response.status == 200
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Content-Length"]
    assert document["action"] == "DescribeZonesResponse"
    assert document["ret_code"] == 0


def test_long_query_string_is_accepted(cloud: CloudUnderTest) -> None:
    query = urlencode(signed("DescribeZones", "GET", padding="*/ +" * 5000))
    assert len(query) > 16 * 1024
    assert exchange(cloud, "GET", f"/iaas/?{query}")[1]["ret_code"] == 0


@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "chunked"])
def test_large_post_is_accepted(cloud: CloudUnderTest, chunked: bool) -> None:
    pairs = signed(
        "UploadUserDataAttachment",
        "POST",
        attachment_content="QUJD" * 700_000,
        attachment_name="a b",
    )
    body = urlencode(pairs).encode()
    _, document = exchange(cloud, "POST", "/iaas/", body, chunked=chunked)
    assert document["ret_code"] == 1100  # more than 2 MB of content, and so read to its end
    pairs = signed("UploadUserDataAttachment", "POST", attachment_content="QUJD" * 500_000)
    body = urlencode(pairs).encode()
    _, document = exchange(cloud, "POST", "/iaas/", body, chunked=chunked)
    assert document["ret_code"] == 0


def test_empty_values_are_part_of_what_is_signed(cloud: CloudUnderTest) -> None:
    query = urlencode(signed("DescribeZones", "GET", description="", name="北京 +*~"))
    assert exchange(cloud, "GET", f"/iaas/?{query}")[1]["ret_code"] == 0


def test_other_paths_are_not_found(cloud: CloudUnderTest) -> None:
    assert exchange(cloud, "GET", "/")[0].status == 404


def test_sdk_with_a_wrong_secret_is_refused(cloud: CloudUnderTest) -> None:
    answer = cloud.connect("wrong").describe_zones()
    assert (answer["ret_code"], answer["message"]) == (1200, "AuthFailure, signature not matched")
    assert not cloud.iaas.calls


def test_unknown_action_is_refused_by_its_name(cloud: CloudUnderTest) -> None:
    answer = cloud.call("CreateCluster")
    assert answer["ret_code"] == 1400
    assert answer["message"].startswith("PermissionDenied, can't handle this request")
    assert "[CreateCluster]" in answer["message"]


def test_unknown_zone_is_refused(cloud: CloudUnderTest) -> None:
    answer = cloud.connect(SECRET, zone="nowhere").describe_instances()
    assert answer["ret_code"] == 1400
    assert "[nowhere]" in answer["message"]


def test_calls_are_counted_by_action_until_a_reset(cloud: CloudUnderTest) -> None:
    cloud.sdk.describe_zones()
    cloud.sdk.describe_zones()
    cloud.call("RunInstances")
    assert cloud.iaas.calls == {"DescribeZones": 2, "RunInstances": 1}
    cloud.await_on_loop(cloud.iaas.reset())
    assert not cloud.iaas.calls


def test_same_seed_gives_the_same_ids() -> None:
    def first_id() -> str:
        with serve_cloud() as cloud:
            return str(cloud.ok("CreateTag", tag_name="t")["tag_id"])

    assert first_id() == first_id()


def test_every_action_answers_a_request_without_parameters(cloud: CloudUnderTest) -> None:
    for action in ACTIONS:
        assert cloud.call(action)["ret_code"] in (0, 1100), action
