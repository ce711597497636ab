"""The alarm states and deliveries of a cluster, in the samples' database.

They are stored there and not in the cluster, because alarms matter most when the cluster does not
answer.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Double,
    Integer,
    String,
    Table,
    and_,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from clients.database import KEY_LENGTH, TABLES, Database, UtcTime
from domain.observe.alarms.deliveries import DUE, Delivery, Outcome
from domain.observe.alarms.messages import Message
from domain.observe.alarms.states import AlarmState, Phase, Subject
from domain.spec.alarms import Level

CUT_OFF = "the run ended before the outcome was known"

_STATES = Table(
    "alarm_states",
    TABLES,
    Column("cluster", String(KEY_LENGTH), primary_key=True),
    Column("rule", String(40), primary_key=True),
    Column("group", String(32), primary_key=True),
    Column("machine", String(64), primary_key=True),
    Column("phase", String(8), nullable=False),
    Column("level", String(8), nullable=False),
    Column("since", UtcTime, nullable=False),
    Column("value", Double),
)
_DELIVERIES = Table(
    "alarm_deliveries",
    TABLES,
    Column("number", Integer, primary_key=True),
    Column("cluster", String(KEY_LENGTH), nullable=False, index=True),
    Column("service", String(128), nullable=False),
    Column("written_at", UtcTime, nullable=False),
    Column("title", String, nullable=False),
    Column("body", String, nullable=False),
    Column("level", String(8), nullable=False),
    Column("outcome", String(8), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("reason", String, nullable=False),
)
_STEPS = Table(
    "alarm_steps",
    TABLES,
    Column("number", Integer, primary_key=True),
    Column("cluster", String(KEY_LENGTH), nullable=False, index=True),
    *(Column(one.name, one.type, nullable=one.nullable) for one in list(_STATES.c)[1:]),
)


class AlarmHistory:
    """One cluster's alarms in one database; threads may share it.

    Every call raises `TemporaryError` when the database is locked or unreachable; then nothing of
    the call was written.
    """

    def __init__(self, database: Database, cluster: str) -> None:
        """Use the rows of a cluster by its key, in a database that the caller closes."""
        self._database = database
        self._cluster = cluster

    def read_states(self) -> list[AlarmState]:
        query = select(_STATES).where(_STATES.c.cluster == self._cluster)
        with self._database.transaction() as connection:
            return [_state(row._mapping) for row in connection.execute(query)]

    def step(
        self,
        before: Sequence[AlarmState],
        after: Sequence[AlarmState],
        messages: Sequence[Message],
        services: Sequence[str],
        now: datetime,
    ) -> bool:
        """Store new alarm states and the messages about them in one transaction.

        Two evaluations at the same moment must not both notify: nothing is stored if another one
        has changed the states `before` in between.

        Returns: whether they were stored.
        """
        known = {(state.rule, state.subject): state for state in before}
        try:
            with self._database.transaction() as connection:
                for state in after:
                    self._write(connection, known.get((state.rule, state.subject)), state)
                self._add_deliveries(connection, messages, services, now)
        except _Overtaken:
            return False
        return True

    def read_steps(self, since: datetime) -> list[AlarmState]:
        """The phases that alarms have entered since a moment, oldest first."""
        query = (
            select(_STEPS)
            .where(_STEPS.c.cluster == self._cluster, _STEPS.c.since >= since)
            .order_by(_STEPS.c.number)
        )
        with self._database.transaction() as connection:
            return [_state(row._mapping) for row in connection.execute(query)]

    def read_due(self) -> list[Delivery]:
        """The deliveries that are due for their first or next attempt, oldest first."""
        return self._deliveries(_DELIVERIES.c.outcome.in_(DUE))

    def read_failures(self, since: datetime) -> list[Delivery]:
        """The deliveries since a moment that failed or whose outcome is unknown."""
        columns = _DELIVERIES.c
        return self._deliveries(and_(columns.outcome != Outcome.SENT, columns.written_at >= since))

    def take(self, delivery: Delivery) -> bool:
        """Record that a message is about to be sent. Returns: False when another run has taken it.

        Until the outcome is recorded it is unknown, so a message is not sent again after a run
        that was interrupted in between.
        """
        columns = _DELIVERIES.c
        statement = (
            update(_DELIVERIES)
            .where(
                columns.number == delivery.number,
                columns.outcome == delivery.outcome,
                columns.attempts == delivery.attempts,
            )
            .values(outcome=Outcome.UNKNOWN, attempts=delivery.attempts + 1, reason=CUT_OFF)
        )
        with self._database.transaction() as connection:
            return bool(connection.execute(statement).rowcount)

    def finish(self, delivery: Delivery) -> None:
        """Record the outcome of a delivery."""
        statement = (
            update(_DELIVERIES)
            .where(_DELIVERIES.c.number == delivery.number)
            .values(
                outcome=delivery.outcome, attempts=delivery.attempts, reason=delivery.reason[:500]
            )
        )
        with self._database.transaction() as connection:
            connection.execute(statement)

    def prune(self, before: datetime) -> None:
        """Delete steps, deliveries and states of resolved alarms that are older."""
        with self._database.transaction() as connection:
            for table, time in ((_STEPS, _STEPS.c.since), (_DELIVERIES, _DELIVERIES.c.written_at)):
                connection.execute(
                    delete(table).where(table.c.cluster == self._cluster, time < before)
                )
            states = _STATES.c
            connection.execute(
                delete(_STATES).where(
                    states.cluster == self._cluster,
                    states.phase == Phase.OK,
                    states.since < before,
                )
            )

    def _write(self, connection: Connection, before: AlarmState | None, state: AlarmState) -> None:
        row = self._row(state)
        if before is None:
            try:
                connection.execute(insert(_STATES), row)
            except IntegrityError as error:
                raise _Overtaken from error
        else:
            known = self._row(before)
            del known["value"]  # not a part of what another evaluation decides
            unchanged = (_STATES.c[name] == value for name, value in known.items())
            if not connection.execute(update(_STATES).where(*unchanged).values(row)).rowcount:
                raise _Overtaken
        if before is None or before.phase is not state.phase or before.level is not state.level:
            connection.execute(insert(_STEPS), row)

    def _row(self, state: AlarmState) -> dict[str, Any]:
        return {
            "cluster": self._cluster,
            "rule": state.rule,
            "group": state.subject.group,
            "machine": state.subject.machine,
            "phase": state.phase,
            "level": state.level or "",
            "since": state.since,
            "value": state.value,
        }

    def _add_deliveries(
        self,
        connection: Connection,
        messages: Sequence[Message],
        services: Sequence[str],
        now: datetime,
    ) -> None:
        rows = [
            {
                "cluster": self._cluster,
                "service": service,
                "written_at": now,
                "title": message.title,
                "body": message.body,
                "level": message.level or "",
                "outcome": Outcome.WAITING,
                "attempts": 0,
                "reason": "",
            }
            for message in messages
            for service in services
        ]
        if rows:
            connection.execute(insert(_DELIVERIES), rows)

    def _deliveries(self, condition: Any) -> list[Delivery]:
        query = select(_DELIVERIES).where(_DELIVERIES.c.cluster == self._cluster, condition)
        with self._database.transaction() as connection:
            rows = connection.execute(query.order_by(_DELIVERIES.c.number)).all()
        return [
            Delivery(
                number=row.number,
                service=row.service,
                written_at=row.written_at,
                message=Message(row.title, row.body, Level(row.level) if row.level else None),
                outcome=Outcome(row.outcome),
                attempts=row.attempts,
                reason=row.reason,
            )
            for row in rows
        ]


class _Overtaken(Exception):
    """Another evaluation has changed the state in between."""


def _state(row: Any) -> AlarmState:
    return AlarmState(
        rule=row["rule"],
        subject=Subject(row["group"], row["machine"]),
        phase=Phase(row["phase"]),
        level=Level(row["level"]) if row["level"] else None,
        since=row["since"],
        value=row["value"],
    )
