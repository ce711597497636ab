"""Programs in pods that do work of their own: QingCloud's controllers for Kubernetes.

A container does not run here. In its place one of these does what the real program was seen to do,
as a client of the cluster's API with the rights of the pod's ServiceAccount, and of the cloud's API
over HTTP with the key that the pod mounts. Each lives as long as its pod.
"""

from localcloud.kubernetes.programs.catalogue import find_programs
from localcloud.kubernetes.programs.place import Broken, Place

__all__ = ["Broken", "Place", "find_programs"]
"""What a kubelet runs."""
