"""Lists of more than one page, and lists by id."""

import pytest

from clients.qingcloud import QingCloud
from domain.kernel.errors import TemporaryError
from tests.clients.qingcloud.canned_cloud import Answer, CannedCloud, Request, Script, ok, refused


def job(number: int) -> dict[str, object]:
    return {"job_id": f"j-{number}", "job_action": "RunInstances", "status": "working"}


def tag(number: int) -> dict[str, object]:
    return {"tag_id": f"tag-{number}", "tag_name": "demo"}


def tags_in_pages(count: int, **fields: object) -> Script:
    """A script that returns `count` tags, at most 100 per page, for every request."""

    def show(request: Request) -> Answer:
        start = int(request.params["offset"])
        stop = min(start + min(int(request.params["limit"]), 100), count)
        return ok(tag_set=[tag(number) for number in range(start, stop)], **fields)

    return show


@pytest.mark.parametrize(
    ("count", "calls"), [(0, 1), (1, 1), (99, 1), (100, 1), (101, 2), (200, 2), (250, 3)]
)
def test_all_pages_are_read(canned: CannedCloud, client: QingCloud, count: int, calls: int) -> None:
    canned.script = tags_in_pages(count, total_count=count)
    found = client.find_tags("demo")
    assert [found_tag.id for found_tag in found] == [f"tag-{number}" for number in range(count)]
    assert len(canned.requests) == calls
    assert {request.params["limit"] for request in canned.requests} == {"100"}


@pytest.mark.parametrize(("count", "calls"), [(0, 1), (99, 1), (100, 2), (250, 3)])
def test_without_a_total_a_short_page_is_the_last(
    canned: CannedCloud, client: QingCloud, count: int, calls: int
) -> None:
    canned.script = tags_in_pages(count)
    assert len(client.find_tags("demo")) == count
    assert len(canned.requests) == calls


def test_a_list_that_changes_between_its_pages_is_read_again(
    canned: CannedCloud, client: QingCloud
) -> None:
    before = ok(tag_set=[tag(number) for number in range(100)], total_count=150)
    # Item 0 was deleted: the old item 100 is now on the first page, and this page misses it.
    after = ok(tag_set=[tag(number) for number in range(101, 150)], total_count=149)
    first = ok(tag_set=[tag(number) for number in range(1, 101)], total_count=149)
    canned.play(before, after, first, after)

    found = client.find_tags("demo")
    assert [found_tag.id for found_tag in found] == [f"tag-{number}" for number in range(1, 150)]


def test_list_that_keeps_changing_is_a_temporary_error(
    canned: CannedCloud, client: QingCloud
) -> None:
    def grow(request: Request) -> Answer:
        return ok(tag_set=[tag(0)] * 100, total_count=1000 + len(canned.requests))

    canned.script = grow
    with pytest.raises(TemporaryError, match="changed"):
        client.find_tags("demo")


def test_ids_are_read_a_hundred_per_call(canned: CannedCloud, client: QingCloud) -> None:
    def answer(request: Request) -> Answer:
        ids = [value for name, value in request.params.items() if name.startswith("jobs.")]
        return ok(job_set=[job(int(one.removeprefix("j-"))) for one in ids], total_count=len(ids))

    canned.script = answer
    wanted = [f"j-{number}" for number in range(250)]
    assert {found.id for found in client.read_jobs([*wanted, *wanted])} == set(wanted)
    assert len(canned.requests) == 3


def test_an_unknown_id_does_not_hide_the_others(canned: CannedCloud, client: QingCloud) -> None:
    def answer(request: Request) -> Answer:
        ids = [value for name, value in request.params.items() if name.startswith("jobs.")]
        if "j-3" in ids:
            return refused(2100, "ResourceNotFound, resource [j-3] not found")
        return ok(job_set=[job(int(one.removeprefix("j-"))) for one in ids], total_count=len(ids))

    canned.script = answer
    found = client.read_jobs([f"j-{number}" for number in range(8)])
    assert {one.id for one in found} == {f"j-{number}" for number in range(8)} - {"j-3"}
