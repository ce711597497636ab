"""What answers in a pod, where no container runs: pages of known images, logs, the pod network."""
