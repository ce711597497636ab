"""Virtual kubelets, pure clients of any API server: they keep nodes and live the lives of pods."""

from localcloud.kubernetes.kubelet.kubelet import Kubelet
from localcloud.kubernetes.kubelet.node_status import NodeConfig

__all__ = ["Kubelet", "NodeConfig"]
