"""Mail, webhooks, and all other services of Apprise."""

import logging
from threading import get_ident

from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType

from domain.kernel.errors import InvalidSpec, TemporaryError
from domain.observe.alarms.messages import Message
from domain.spec.alarms import Level

_TYPES = {
    Level.ERROR: NotifyType.FAILURE,
    Level.WARNING: NotifyType.WARNING,
    None: NotifyType.SUCCESS,
}
_LOG = logging.getLogger("apprise")


class AppriseService:
    """One service behind an Apprise URL, such as `mailtos://…` or `jsons://…`."""

    def __init__(self, url: str) -> None:
        """Prepare the service.

        Raises:
            InvalidSpec: Apprise refuses the URL, which is secret and not in the message.
        """
        self._apprise = Apprise(asset=AppriseAsset(app_id="kubernetes-on-qingcloud"))
        with _LogCapture() as log:
            known = self._apprise.add(url)
        if not known:
            scheme = url.partition("://")[0]
            words = log.text or "it is not complete"
            raise InvalidSpec(f"Apprise cannot use this {scheme} address: {words}")

    def send(self, message: Message) -> None:
        """Send once; the errors are those of `Notifier.send`.

        Apprise returns only whether it succeeded; the reason is in its log.
        """
        with _LogCapture() as log:
            sent = self._apprise.notify(
                body=message.body,
                title=message.title,
                notify_type=_TYPES[message.level],
                body_format=NotifyFormat.TEXT,
            )
        if not sent:
            raise TemporaryError(f"not delivered: {log.text or 'Apprise gives no reason'}")


class _LogCapture(logging.Handler):
    """Collects the warnings that Apprise logs in this thread."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._thread = get_ident()
        self._lines: list[str] = []

    @property
    def text(self) -> str:
        """The lines without URLs, in which Apprise shows two letters of a password."""
        lines = (line for line in self._lines if "://" not in line)
        return " ".join(" ".join(lines).split())[:300]

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self._lines.append(record.getMessage())

    def __enter__(self) -> "_LogCapture":
        _LOG.addHandler(self)
        return self

    def __exit__(self, *error: object) -> None:
        _LOG.removeHandler(self)
