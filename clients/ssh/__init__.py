"""SSH to one machine, directly or through another, with pinned host keys; on paramiko."""

from clients.ssh.connection import SshTarget
from clients.ssh.machine import SshMachine

__all__ = ["SshMachine", "SshTarget"]
