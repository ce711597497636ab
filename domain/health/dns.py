"""Do the cluster's DNS servers answer?"""

from collections.abc import Mapping

from domain.health.findings import Finding, Subject, trouble, warning, well
from domain.kernel.texts import first_of

SELECTOR = "k8s-app=kube-dns"
"""The label of CoreDNS's pods, and of the Service that leads to them."""

READY_PORT = 8181
"""The port at which CoreDNS says whether all its parts are ready, by kubeadm's Corefile."""


def check_dns(answers: Mapping[str, str]) -> Finding:
    """Check what each DNS pod says.

    Args:
        answers: by pod, why it does not answer; empty for one that does.
    """
    mute = {pod: why for pod, why in answers.items() if why}
    action = "Look at the pods with: kubectl -n kube-system get pods -l k8s-app=kube-dns"
    if not answers:
        return trouble(Subject.DNS, "no pod of CoreDNS exists", action)
    words = first_of([f"{pod}: {why}" for pod, why in sorted(mute.items())], 2)
    if len(mute) == len(answers):
        return trouble(Subject.DNS, f"no pod of CoreDNS answers ({words})", action)
    if mute:
        return warning(
            Subject.DNS, f"{len(mute)} of {len(answers)} pods are silent ({words})", action
        )
    return well(Subject.DNS, f"{len(answers)} pods answer")
