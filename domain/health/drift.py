"""Is the cluster as it is described?"""

from domain.health.findings import Finding, Subject, warning, well
from domain.kernel.texts import first_of
from domain.reports.drift import DriftReport


def check_drift(report: DriftReport) -> Finding:
    """Check the differences from the description; what was made by hand is none."""
    found = [f"{one.kind}: {one.resource} {one.name}".strip() for one in report.drifted]
    if found:
        action = f"Look at the plan with: python -m flows.drift --name {report.cluster} --repair"
        return warning(Subject.DRIFT, first_of(found, 3), action)
    return well(Subject.DRIFT, "none")
