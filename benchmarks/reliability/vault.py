"""Credentials in a file, so that they outlive a killed run."""

import json
import os
from collections.abc import Callable
from pathlib import Path

from blocks.credentials import ClusterCredentials
from domain.secrets.credentials import Credentials


class FileVault:
    """Satisfies `domain.secrets.vault.Vault`; one file of mode 0600, replaced as a whole."""

    def __init__(self, file: Path) -> None:
        self._file = file

    @property
    def place(self) -> str:
        return str(self._file)

    def find(self) -> Credentials | None:
        try:
            document = json.loads(self._file.read_text())
        except FileNotFoundError:
            return None
        return ClusterCredentials.model_validate(document).credentials()

    def save(self, credentials: Credentials) -> None:
        block = ClusterCredentials.of(credentials)
        fields = {name: getattr(block, name) for name in ClusterCredentials.model_fields}
        for name in ("ca_key", "ssh_private_key"):
            fields[name] = fields[name].get_secret_value()
        draft = self._file.with_suffix(f".{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT, 0o600), "w") as stream:
            json.dump(fields, stream)
        draft.replace(self._file)

    def update(self, change: Callable[[Credentials | None], Credentials]) -> Credentials:
        changed = change(self.find())
        self.save(changed)
        return changed

    def delete(self) -> bool:
        existed = self._file.exists()
        self._file.unlink(missing_ok=True)
        return existed
