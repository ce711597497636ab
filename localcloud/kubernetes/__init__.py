"""Control planes and kubelets of the local cloud.

Begin with `planes` (the clusters) and `emulated_plane` (the components of one), then follow one
request: `api/app` (HTTP), `api/server` (authorization and dispatch), `objects/registry`.

    objects/      the kinds, their validation, and the store with the history for watches
    access/       users, their tokens and certificates, and the permissions of roles
    printing/     the tables that `kubectl get` shows
    pods/         what pods serve: known images, their HTTP, their logs
    api/          the API server: requests, answers, discovery, patches, watches, subresources
    etcd          the members of a cluster's etcd, and their quorum
    client/       the clients of an API server, emulated or real
    controllers/  one module a controller, and the scheduler; pure clients of the API
    kubelet/      virtual nodes and their pods; pure clients of the API
    real/         the same interface, with etcd and the Kubernetes programs

Imports go up this list only; `bootstrap`, `persistence` and `plane` stand beside the controllers.
"""
