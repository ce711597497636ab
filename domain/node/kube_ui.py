"""The settings and the certificate of kube-ui's installer."""

from collections.abc import Callable, Sequence
from datetime import datetime

from domain.node.install import UI_FOLDER
from domain.node.shell import Shell
from domain.secrets.pki import CertifiedKey, serves

READ_DEADLINE = 60.0
"""Seconds for reading the certificate that a master has."""

# The certificate, and the public half of its key: a run that was killed may have left two that do
# not belong together.
READ_CERTIFICATE = 'cd "${SYSROOT:-}$1" && cat tls.crt && openssl pkey -in tls.key -pubout'

_KEY = "-----BEGIN PUBLIC KEY-----"


def ui_settings(node_port: int) -> dict[str, str]:
    return {
        "UI_NODE_PORT": str(node_port),
        "UI_TLS_CERT": f"{UI_FOLDER}/tls.crt",
        "UI_TLS_KEY": f"{UI_FOLDER}/tls.key",
    }


def ensure_ui_certificate(
    shell: Shell,
    ca: str,
    names: Sequence[str],
    until: datetime,
    make: Callable[[], CertifiedKey],
) -> None:
    """Upload a certificate, unless the master has one of the CA for these names until then.

    Another certificate means another pod, as the UI reads it only at its start.
    """
    command = ["bash", "-c", READ_CERTIFICATE, "certificate", UI_FOLDER]
    certificate, begin, key = shell.run(command, deadline=READ_DEADLINE).stdout.partition(_KEY)
    if serves(certificate, begin + key, ca, names, until):
        return
    pair = make()
    shell.write_file(f"{UI_FOLDER}/tls.crt", pair.certificate.encode(), 0o644)
    shell.write_file(f"{UI_FOLDER}/tls.key", pair.key.encode(), 0o600)
