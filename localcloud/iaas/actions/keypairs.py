"""SSH key pairs."""

import base64
from collections.abc import Iterable

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from localcloud.iaas import quotas
from localcloud.iaas.answers import Document, common, describe, rename
from localcloud.iaas.cloud import Cloud
from localcloud.iaas.errors import BadParameter, JobFailure, PermissionDenied
from localcloud.iaas.lifecycle import require_settled, start_job
from localcloud.iaas.parameters import Parameters
from localcloud.iaas.records import KeyPair

METHODS = ("ssh-rsa", "ssh-ed25519", "ecdsa-sha2-nistp521")


def create_keypair(cloud: Cloud, parameters: Parameters) -> Document:
    """Import a public key, or create a pair; its private key is in this reply only."""
    method = parameters.text("encrypt_method", "ssh-rsa")
    if parameters.choice("mode", ("system", "user"), "system") == "user":
        method, public_key = _read_public_key(parameters.required_text("public_key"), method)
        private_key = ""
    else:
        if method not in METHODS:
            raise BadParameter(f"encrypt_method [{method}] should be one of {', '.join(METHODS)}")
        public_key, private_key = _generate(method)
    quotas.require(cloud, keypair=1)
    keypair = KeyPair(
        id=cloud.new_id("kp"),
        name=parameters.text("keypair_name"),
        created_at=cloud.now(),
        encrypt_method=method,
        public_key=public_key,
    )
    cloud.state.keypairs.add(keypair)
    return {"keypair_id": keypair.id, "private_key": private_key}


def _read_public_key(line: str, method: str) -> tuple[str, str]:
    """Split a public key, a whole line or its base64 part, into method and base64."""
    words = line.split()
    if len(words) > 1:
        method, line = words[0], words[1]
    try:
        blob = base64.b64decode(line, validate=True)
    except ValueError:  # binascii's error, and that of non-ASCII text
        raise BadParameter("public_key is not an SSH public key") from None
    if blob[4 : 4 + int.from_bytes(blob[:4])] != method.encode():
        raise BadParameter(f"public_key is not of the type [{method}]")
    return method, line


def _generate(method: str) -> tuple[str, str]:
    key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey
    if method == "ssh-rsa":
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    elif method == "ssh-ed25519":
        key = ed25519.Ed25519PrivateKey.generate()
    else:
        key = ec.generate_private_key(ec.SECP521R1())
    line = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    return line.split()[1], private.decode()


def describe_key_pairs(cloud: Cloud, parameters: Parameters) -> Document:
    verbose = parameters.flag("verbose")
    user, method = parameters.text("instance_id"), parameters.text("encrypt_method")
    found = [
        keypair
        for keypair in cloud.state.keypairs.values()
        if (not user or user in users_of(cloud, keypair))
        and (not method or keypair.encrypt_method == method)
    ]
    return describe(
        cloud, parameters, found, lambda keypair: document(cloud, keypair, verbose), "keypair"
    )


def document(cloud: Cloud, keypair: KeyPair, verbose: bool) -> Document:
    answer = common(cloud, keypair, "keypair") | {
        "encrypt_method": keypair.encrypt_method,
        "pub_key": keypair.public_key,
    }
    if verbose:
        answer["instance_ids"] = users_of(cloud, keypair)
    return answer


def users_of(cloud: Cloud, keypair: KeyPair) -> list[str]:
    return [i.id for i in cloud.state.instances.alive() if keypair.id in i.keypair_ids]


def modify_keypair_attributes(cloud: Cloud, parameters: Parameters) -> Document:
    keypair = cloud.state.keypairs.read(parameters.required_text("keypair"))
    rename(parameters, keypair, "keypair")
    return {"keypair_id": keypair.id}


def attach_keypairs(cloud: Cloud, parameters: Parameters) -> Document:
    """Attach keys, which the machine has from its next boot; attached ones are accepted."""
    return _change_keypairs(cloud, parameters, "AttachKeyPairs")


def detach_keypairs(cloud: Cloud, parameters: Parameters) -> Document:
    return _change_keypairs(cloud, parameters, "DetachKeyPairs")


def _change_keypairs(cloud: Cloud, parameters: Parameters, action: str) -> Document:
    keypairs = cloud.state.keypairs.read_all(parameters.required_texts("keypairs"))
    instances = cloud.state.instances.read_all(parameters.required_texts("instances"))
    for instance in instances:
        # The real cloud detaches keys of instances under deletion, too; terraform relies on it.
        if (action, instance.transition) != ("DetachKeyPairs", "terminating"):
            require_settled(instance)
    changed = {keypair.id for keypair in keypairs}

    async def change() -> None:
        require_exists(cloud, changed)
        for instance in instances:
            others = [known for known in instance.keypair_ids if known not in changed]
            attached = [k.id for k in keypairs] if action == "AttachKeyPairs" else []
            instance.keypair_ids = others + attached

    touched = [instance.id for instance in instances]
    seconds = cloud.profile.apply_rules
    return {"job_id": start_job(cloud, action, touched, seconds, change)}


def require_exists(cloud: Cloud, keypair_ids: Iterable[str]) -> None:
    """Raise `JobFailure` where a key was deleted after the job was accepted."""
    for keypair_id in keypair_ids:
        if keypair_id not in cloud.state.keypairs:
            raise JobFailure(f"keypair [{keypair_id}] has been deleted meanwhile")


def delete_keypairs(cloud: Cloud, parameters: Parameters) -> Document:
    """Delete keys that are attached to no instance; all or none."""
    keypairs = cloud.state.keypairs.read_all(parameters.required_texts("keypairs"))
    for keypair in keypairs:
        if users := users_of(cloud, keypair):
            raise PermissionDenied(
                f"keypair [{keypair.id}] is attached to instance [{users[0]}], can not be deleted"
            )
    for keypair in keypairs:
        cloud.state.drop_tags(keypair)
        del cloud.state.keypairs[keypair.id]
    return {"keypairs": [keypair.id for keypair in keypairs]}


ACTIONS = {
    "CreateKeyPair": create_keypair,
    "DescribeKeyPairs": describe_key_pairs,
    "ModifyKeyPairAttributes": modify_keypair_attributes,
    "AttachKeyPairs": attach_keypairs,
    "DetachKeyPairs": detach_keypairs,
    "DeleteKeyPairs": delete_keypairs,
}
