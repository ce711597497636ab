"""An emulated Kubernetes control plane, small enough to be read in an afternoon."""
