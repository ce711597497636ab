"""The events of a step that listeners get."""

import pytest
from prefect.exceptions import TerminationSignal
from pydantic import BaseModel, model_serializer

from domain.kernel.ensured import Ensured
from domain.kernel.errors import FinalError
from tasks.steps import listening, step


class Ear:
    """A listener that keeps how steps failed."""

    def __init__(self) -> None:
        self.failures = list[str]()

    def started(self, name: str) -> None: ...
    def finished(self, name: str, outcome: str, seconds: float) -> None: ...
    def progress(self, name: str, text: str) -> None: ...
    def failed(self, name: str, message: str, seconds: float) -> None:
        self.failures.append(message)


class Interrupted(BaseModel):
    """A record that is being serialized when somebody presses Ctrl-C."""

    @model_serializer
    def ser_model(self) -> dict[str, str]:
        raise KeyboardInterrupt


def serialize() -> None:
    Interrupted().model_dump_json()


def raise_error(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    ("act", "words"),
    [
        pytest.param(lambda: raise_error(KeyboardInterrupt()), "interrupted", id="Ctrl-C"),
        pytest.param(
            lambda: raise_error(TerminationSignal(signal=15)), "interrupted", id="SIGTERM"
        ),
        pytest.param(serialize, "interrupted", id="Ctrl-C inside of pydantic"),
        pytest.param(lambda: raise_error(FinalError("no room")), "no room", id="an error"),
        pytest.param(lambda: raise_error(OSError()), "OSError", id="an error without words"),
    ],
)
def test_a_failed_step_reports_the_reason(act: object, words: str) -> None:
    assert callable(act)

    @step("do it")
    def do() -> Ensured[None]:
        act()
        return Ensured(None, "done")

    ear = Ear()
    with listening(ear), pytest.raises(BaseException):  # noqa: B017, PT011 - its words matter
        do()
    assert ear.failures == [words]


def test_a_step_ends_although_its_error_is_its_own_cause() -> None:
    first, second = FinalError("the reply was lost"), FinalError("wrapped")
    first.__context__, second.__context__ = second, first

    @step("do it")
    def do() -> Ensured[None]:
        raise_error(first)
        return Ensured(None, "done")

    ear = Ear()
    with listening(ear), pytest.raises(FinalError, match="the reply was lost"):
        do()
    assert ear.failures == ["the reply was lost"]
