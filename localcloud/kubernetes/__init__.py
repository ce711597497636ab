"""Control planes and kubelets of the local cloud, small enough to be read in an afternoon.

Begin with `planes` (which clusters there are) and `emulated_plane` (what one is made of), then
follow one request: `api/app` (HTTP), `api/server` (may it, and who answers), `objects/registry`.

    objects/      the kinds, what makes an object valid, and the store that watches are fed from
    access/       users, their tokens and certificates, and what roles let them do
    printing/     the tables that `kubectl get` shows
    pods/         what answers behind a pod's address: known images, their HTTP, their logs
    api/          the API server: requests, answers, discovery, patches, watches, subresources
    client/       how everything else speaks to an API server, whichever it is
    controllers/  one module a controller, and the scheduler; pure clients of the API
    kubelet/      virtual nodes and the lives of their pods; pure clients of the API
    real/         the same door, with etcd and the Kubernetes programs behind it

Imports go up this list only; `bootstrap`, `persistence` and `plane` stand beside the controllers.
"""
