"""How long things take on the local cloud.

No public measurement of QingCloud's own durations exists. `realistic` is a guess from the limits
that public clients wait (180 to 240 s) and from published kubeadm bring-up times; `fast` keeps the
order of events and shortens the waits; `instant` is for tests.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Profile:
    """Durations of operations in seconds."""

    name: str
    # The cloud's own jobs.
    create_router: float
    change_router: float  # JoinRouter, LeaveRouter, UpdateRouters, DeleteRouters
    run_instances: float
    assign_address: float  # from `running` until private_ip is shown
    change_instance: float  # stop, start, restart, terminate
    create_loadbalancer: float
    change_loadbalancer: float
    change_eip: float
    change_volume: float  # create, attach, detach, delete; network cards too
    resize_volume: float  # less than 5, by the behavior of terraform's own tests
    capture_image: float
    apply_rules: float
    lease: float  # until a billed resource may be deleted
    # Inside a machine.
    boot: float  # from `running` until sshd answers
    install_package: float  # each apt-get or dnf install
    pull_images: float
    kubeadm_init: float
    kubeadm_join: float
    # Inside Kubernetes.
    start_pod: float
    elect_etcd: float  # until etcd has another leader; nothing is read or written meanwhile
    elect_controllers: float  # until other controllers work: their Lease has to end
    health_check: float  # the share of a load balancer's intervals that passes


DEFAULT_PROFILE = "fast"

PROFILES = {
    profile.name: profile
    for profile in (
        Profile(
            name="instant",
            create_router=0.01,
            change_router=0.01,
            run_instances=0.02,
            assign_address=0.01,
            change_instance=0.01,
            create_loadbalancer=0.01,
            change_loadbalancer=0.01,
            change_eip=0.01,
            change_volume=0.01,
            resize_volume=0.01,
            capture_image=0.01,
            apply_rules=0.01,
            lease=0.0,
            boot=0.01,
            install_package=0.0,
            pull_images=0.0,
            kubeadm_init=0.0,
            kubeadm_join=0.0,
            start_pod=0.01,
            elect_etcd=0.01,
            elect_controllers=0.05,
            health_check=0.01,
        ),
        Profile(
            name="fast",
            create_router=0.6,
            change_router=0.3,
            run_instances=0.8,
            assign_address=0.3,
            change_instance=0.4,
            create_loadbalancer=0.8,
            change_loadbalancer=0.3,
            change_eip=0.2,
            change_volume=0.3,
            resize_volume=0.2,
            capture_image=0.5,
            apply_rules=0.2,
            lease=1.0,
            boot=0.8,
            install_package=0.5,
            pull_images=0.5,
            kubeadm_init=1.0,
            kubeadm_join=0.5,
            start_pod=0.3,
            elect_etcd=0.3,
            elect_controllers=2.0,
            health_check=0.1,
        ),
        Profile(
            name="realistic",
            create_router=30.0,
            change_router=10.0,
            run_instances=20.0,
            assign_address=5.0,
            change_instance=10.0,
            create_loadbalancer=30.0,
            change_loadbalancer=5.0,
            change_eip=3.0,
            change_volume=5.0,
            resize_volume=3.0,
            capture_image=60.0,
            apply_rules=2.0,
            lease=30.0,
            boot=25.0,
            install_package=15.0,
            pull_images=40.0,
            kubeadm_init=45.0,
            kubeadm_join=20.0,
            start_pod=4.0,
            elect_etcd=1.5,
            elect_controllers=15.0,
            health_check=1.0,
        ),
    )
}
