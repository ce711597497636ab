"""The claim of a cluster in a file, so that it outlives a killed run."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from uuid import uuid4

from blocks.locks import alone
from domain.cluster.claims import Holder, Kept, holder_from


class FileClaims:
    """Satisfies `domain.cluster.claims.ClaimStore`."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def find(self) -> Kept | None:
        with self._alone():
            return self._read()

    def create(self, holder: Holder) -> bool:
        with self._alone():
            if self._read():
                return False
            self._write(Kept(uuid4().hex, holder))
            return True

    def renew(self, claim: Kept) -> bool:
        with self._alone():
            if not self._is_kept(claim):
                return False
            self._write(claim)
            return True

    def delete(self, claim: Kept) -> None:
        with self._alone():
            if self._is_kept(claim):
                self._file.unlink()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with alone(self._file.with_suffix(".lock")):
            yield

    def _is_kept(self, claim: Kept) -> bool:
        kept = self._read()
        return kept is not None and kept.id == claim.id

    def _read(self) -> Kept | None:
        if not self._file.exists():
            return None
        found = json.loads(self._file.read_text())
        holder, creates = holder_from(found["holder"]), tuple(found["creates"])
        return Kept(found["id"], holder, found["renewals"], creates)

    def _write(self, claim: Kept) -> None:
        draft = self._file.with_suffix(".new")
        draft.write_text(json.dumps(asdict(claim)))
        draft.replace(self._file)
