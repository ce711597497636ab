"""The settings and the certificate of kube-ui's installer."""

from domain.node.install import UI_FOLDER
from domain.node.shell import Shell
from domain.secrets.pki import CertifiedKey


def ui_settings(node_port: int) -> dict[str, str]:
    return {
        "UI_NODE_PORT": str(node_port),
        "UI_TLS_CERT": f"{UI_FOLDER}/tls.crt",
        "UI_TLS_KEY": f"{UI_FOLDER}/tls.key",
    }


def upload_ui_certificate(shell: Shell, certificate: CertifiedKey) -> None:
    shell.write_file(f"{UI_FOLDER}/tls.crt", certificate.certificate.encode(), 0o644)
    shell.write_file(f"{UI_FOLDER}/tls.key", certificate.key.encode(), 0o600)
