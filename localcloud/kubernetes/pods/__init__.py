"""What pods serve without containers: pages of known images, logs, the pod network."""
