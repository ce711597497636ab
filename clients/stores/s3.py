"""A bucket of a store that speaks S3, such as QingStor, as a store of backups; on boto3."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from boto3.exceptions import S3UploadFailedError
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from domain.backup.labels import NoBackup
from domain.backup.store import StoreFull, StoreRefused
from domain.kernel.errors import FinalError, TemporaryError

_MISSING = {"NoSuchKey", "404", "NotFound"}
_REFUSED = {
    "AccessDenied": "the key may not do that",
    "403": "the key may not do that",
    "InvalidAccessKeyId": "there is no such key",
    "SignatureDoesNotMatch": "the secret is wrong",
    "RequestTimeTooSkewed": "this machine's clock is wrong",
    "NoSuchBucket": "there is no such bucket",
    "InvalidBucketName": "there is no such bucket",
    "AuthorizationHeaderMalformed": "the region is wrong",
    "PermanentRedirect": "the region or the endpoint is wrong",
}
_FULL = {"QuotaExceeded", "XMinioStorageFull", "InsufficientStorage", "507", "EntityTooLarge"}


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket and a prefix in it; without an endpoint it is Amazon's."""

    name: str
    prefix: str = ""
    endpoint: str = ""
    region: str = ""
    access_key_id: str = ""
    secret_access_key: str = field(default="", repr=False)


class S3Store:
    """Satisfies `domain.backup.store.Store`."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        # Other stores than Amazon's know no checksums in headers; path style needs no name server.
        config = Config(
            connect_timeout=10,
            read_timeout=60,
            retries={"total_max_attempts": 3, "mode": "standard"},
            s3={"addressing_style": "path" if bucket.endpoint else "auto"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        self._client: Any = boto3.client(
            "s3",
            endpoint_url=bucket.endpoint or None,
            region_name=bucket.region or "us-east-1",
            aws_access_key_id=bucket.access_key_id,
            aws_secret_access_key=bucket.secret_access_key,
            config=config,
        )

    @property
    def where(self) -> str:
        at = f" at {self._bucket.endpoint}" if self._bucket.endpoint else ""
        return f"the bucket {self._bucket.name}{at}"

    def check(self) -> None:
        self.write("check.part", b"check")
        self.delete("check.part")

    def names(self) -> Sequence[str]:
        with self._explained():
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket.name, Prefix=self._bucket.prefix
            )
            keys = [str(one["Key"]) for page in pages for one in page.get("Contents", ())]
        names = (key.removeprefix(self._bucket.prefix) for key in keys)
        return sorted(name for name in names if not name.endswith(".part"))

    def read(self, name: str) -> bytes:
        with self._explained(name):
            body: bytes = self._client.get_object(**self._at(name))["Body"].read()
            return body

    def fetch(self, name: str, target: Path) -> None:
        with self._explained(name):
            self._client.download_file(self._bucket.name, self._bucket.prefix + name, str(target))

    def size(self, name: str) -> int:
        with self._explained(name):
            return int(self._client.head_object(**self._at(name))["ContentLength"])

    def put(self, name: str, source: Path) -> None:
        with self._explained():
            self._client.upload_file(str(source), self._bucket.name, self._bucket.prefix + name)

    def write(self, name: str, content: bytes) -> None:
        with self._explained():
            self._client.put_object(**self._at(name), Body=content)

    def delete(self, name: str) -> None:
        with self._explained():
            self._client.delete_object(**self._at(name))

    def _at(self, name: str) -> dict[str, str]:
        return {"Bucket": self._bucket.name, "Key": self._bucket.prefix + name}

    @contextmanager
    def _explained(self, name: str = "") -> Iterator[None]:
        """Map boto3's errors; their texts may hold a signed URL, so they are not repeated."""
        try:
            yield
        except ClientError as error:
            raise self._refusal(error, name) from None
        except S3UploadFailedError as error:
            cause = error.__context__
            if isinstance(cause, ClientError):
                raise self._refusal(cause, name) from None
            raise TemporaryError(f"{self.where} took only a part of the file") from None
        except BotoCoreError as error:
            raise TemporaryError(f"{self.where} does not answer ({type(error).__name__})") from None

    def _refusal(self, error: ClientError, name: str) -> Exception:
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        if name and code in _MISSING:
            return NoBackup(f"{self.where} has no {name}")
        if code in _REFUSED:
            return StoreRefused(f"{self.where} refuses: {_REFUSED[code]} ({code})")
        if code in _FULL or status == 507:
            return StoreFull(f"{self.where} is full ({code}); delete something there")
        if status >= 500 or code in ("SlowDown", "RequestTimeout"):
            return TemporaryError(f"{self.where} does not answer ({code or status})")
        return FinalError(f"{self.where} refuses: {code or status}")
