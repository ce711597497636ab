"""Server certificates of HTTPS and SSL listeners."""

import ssl

from localcloud.clock import stamp
from localcloud.iaas.answers import Document, describe, rename
from localcloud.iaas.balancer_records import Listener, ServerCertificate
from localcloud.iaas.cloud import Cloud
from localcloud.iaas.errors import BadParameter, PermissionDenied
from localcloud.iaas.parameters import Parameters
from localcloud.iaas.tls import server_side


def create_server_certificate(cloud: Cloud, parameters: Parameters) -> Document:
    content = parameters.required_text("certificate_content")
    private_key = parameters.required_text("private_key")
    try:
        server_side(content, private_key)
    except ssl.SSLError as error:
        raise BadParameter(
            f"certificate_content and private_key can not be used: {error.reason or 'not PEM'}"
        ) from None
    certificate = ServerCertificate(
        id=cloud.new_id("sc"),
        name=parameters.text("server_certificate_name"),
        created_at=cloud.now(),
        content=content,
        private_key=private_key,
    )
    cloud.state.certificates.add(certificate)
    return {"server_certificate_id": certificate.id}


def describe_server_certificates(cloud: Cloud, parameters: Parameters) -> Document:
    """List certificates with their private keys, as the real cloud does by its documents."""
    found = cloud.state.certificates.values()
    return describe(cloud, parameters, found, document, "server_certificate")


def document(certificate: ServerCertificate) -> Document:
    return {
        "server_certificate_id": certificate.id,
        "server_certificate_name": certificate.name,
        "description": certificate.description,
        "certificate_content": certificate.content,
        "private_key": certificate.private_key,
        "create_time": stamp(certificate.created_at),
    }


def modify_server_certificate_attributes(cloud: Cloud, parameters: Parameters) -> Document:
    certificate = cloud.state.certificates.read(parameters.required_text("server_certificate"))
    rename(parameters, certificate, "server_certificate")
    return {"server_certificate_id": certificate.id}


def delete_server_certificates(cloud: Cloud, parameters: Parameters) -> Document:
    """Delete certificates that no listener uses, by its settings or in force; all or none."""
    wanted = parameters.required_texts("server_certificates")
    certificates = cloud.state.certificates.read_all(wanted)
    for certificate in certificates:
        if users := _users_of(cloud, certificate):
            raise PermissionDenied(
                f"server certificate [{certificate.id}] is used by listener [{users[0].id}], "
                "can not be deleted"
            )
    for certificate in certificates:
        del cloud.state.certificates[certificate.id]
    return {"server_certificates": [certificate.id for certificate in certificates]}


def _users_of(cloud: Cloud, certificate: ServerCertificate) -> list[Listener]:
    balancers = cloud.state.loadbalancers.alive()
    in_force = [active.listener for balancer in balancers for active in balancer.applied.listeners]
    listeners = [*cloud.state.listeners.values(), *in_force]
    return [listener for listener in listeners if certificate.id in listener.certificate_ids]


ACTIONS = {
    "CreateServerCertificate": create_server_certificate,
    "DescribeServerCertificates": describe_server_certificates,
    "ModifyServerCertificateAttributes": modify_server_certificate_attributes,
    "DeleteServerCertificates": delete_server_certificates,
}
