"""The base class of all parts of a cluster's description."""

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A part of a description: immutable, and rejects unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)
