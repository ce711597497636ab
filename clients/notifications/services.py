"""Mail, webhooks, and every other service that Apprise knows by a URL."""

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
        """Prepare it.

        Raises:
            InvalidSpec: Apprise does not understand the URL; it is not repeated, for it is secret.
        """
        self._apprise = Apprise(asset=AppriseAsset(app_id="kubernetes-on-qingcloud"))
        with _Heard() as heard:
            known = self._apprise.add(url)
        if not known:
            scheme = url.partition("://")[0]
            words = heard.words or "it is not complete"
            raise InvalidSpec(f"Apprise cannot use this {scheme} address: {words}")

    def send(self, message: Message) -> None:
        """Send once; satisfies `domain.alarms.notifier.Notifier`, which names the errors.

        Apprise says only whether it went well; the reason is in its log.
        """
        with _Heard() as heard:
            sent = self._apprise.notify(
                body=message.body,
                title=message.title,
                notify_type=_TYPES[message.level],
                body_format=NotifyFormat.TEXT,
            )
        if not sent:
            raise TemporaryError(f"not delivered: {heard.words or 'Apprise gives no reason'}")


class _Heard(logging.Handler):
    """What Apprise logs as a warning in this thread, in its own words."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._thread = get_ident()
        self._lines: list[str] = []

    @property
    def words(self) -> str:
        """Without lines that hold an address: Apprise masks a password, but for two letters."""
        told = (line for line in self._lines if "://" not in line)
        return " ".join(" ".join(told).split())[:300]

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self._lines.append(record.getMessage())

    def __enter__(self) -> "_Heard":
        _LOG.addHandler(self)
        return self

    def __exit__(self, *error: object) -> None:
        _LOG.removeHandler(self)
