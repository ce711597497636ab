"""A sample of the crash matrix, as `make matrix` runs it."""

from tests.acceptance.workplace import Workplace

SAMPLE = (
    "provision:cloud:CreateRouters#1:late-75s",
    "scale-out:cloud:RunInstances#1:killed-after",
    "scale-in:kubernetes:DELETE-nodes#1:away-60s",
    "teardown:cloud:TerminateInstances#1:cloud-killed-after",
)
"""One point of each stage: they fit into one cycle."""


def test_sample_of_the_matrix_converges(workplace: Workplace) -> None:
    words = [word for point in SAMPLE for word in ("--only", point)]
    done = workplace.run("benchmarks.reliability", *words)
    assert done.code == 0, done.out + done.err
    assert "4 points, 4 converged; 0 duplicate, 0 missing, 0 leak" in done.out
    assert "never met" not in done.out


def test_wrong_point_is_refused_before_anything_starts(workplace: Workplace) -> None:
    done = workplace.run("benchmarks.reliability", "--only", "provision:cloud:fire")
    assert done.code == 2
    assert "is not a point such as provision:cloud:RunInstances#1:reply-lost" in done.err
