"""Virtual kubelets: pure clients of any API server that run nodes and their pods."""

from localcloud.kubernetes.kubelet.kubelet import Kubelet
from localcloud.kubernetes.kubelet.node_status import NodeConfig

__all__ = ["Kubelet", "NodeConfig"]
