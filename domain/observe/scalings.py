"""The scalings of a cluster: which run changed a group's size, when and why."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Scaling:
    """A change of a group's size by one run.

    Attributes:
        before: machines at the begin, without broken ones.
        wanted: machines that the run was to reach.
        who: the flow that changed it: `autoscale`, `scale`, `repair`, `rollout`.
        why: the reason in one sentence, with its numbers.
        failure: why it was not reached; empty where it was.
        run: address of the run in the Prefect UI; empty where it has none.
    """

    group: str
    began_at: datetime
    ended_at: datetime
    before: int
    wanted: int
    who: str
    why: str
    failure: str = ""
    run: str = ""
