"""Keys, certificates, kubeconfig files, and the userdata of new machines."""
