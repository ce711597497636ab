"""What all parts of a cluster's description have in common."""

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A part of a description: it cannot be changed, and refuses keys that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)
