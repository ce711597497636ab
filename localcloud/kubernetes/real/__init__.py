"""The real engine: etcd and the Kubernetes programs, where their binaries are available."""
