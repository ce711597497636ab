"""What a cloud keeps between processes: records, jobs, faults, counters."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from random import Random
from typing import Any

from localcloud.database import Change, Database
from localcloud.iaas.cloud import Cloud
from localcloud.iaas.documents import from_document, snapshot, to_document
from localcloud.iaas.faults.kinds import read_fault
from localcloud.iaas.faults.registry import Entry
from localcloud.iaas.jobs import Job
from localcloud.iaas.records import Resource

Place = tuple[str, str]
"""Room and key."""

JOBS, FAULTS, FACTS = "jobs", "faults", "facts"
CALLS, GROUP, POWERED = "calls", "default-group", "powered"


class Persistence:
    """Writes what has changed since the last save."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: dict[Place, Any] = {}

    def save(self, cloud: Cloud, calls: Counter[str]) -> None:
        """Write all changes in one transaction."""
        changes: list[Change] = []
        kept: dict[Place, Any] = {}
        for place, value in _all_of(cloud, calls):
            # Comparing is far cheaper than writing unchanged documents.
            kept[place] = now = snapshot(value)
            if self._kept.get(place) != now:
                changes.append((*place, json.dumps(_document(value)).encode()))
        changes += [(*place, None) for place in self._kept.keys() - kept.keys()]
        if changes:
            self._database.write(changes)
        self._kept = kept

    def empty(self) -> None:
        """Delete everything."""
        self._database.write([(*place, None) for place in self._kept])
        self._kept = {}

    def load(self, cloud: Cloud, calls: Counter[str]) -> bool:
        """Load the stored state into an empty cloud; return False when nothing is stored."""
        facts = {key: json.loads(body) for key, body in self._database.read(FACTS)}
        if GROUP not in facts:
            return False
        cloud.state.default_group_id = facts[GROUP]
        kinds = {kind.kind: kind for kind in Resource.__subclasses__()}
        for room, table in cloud.state.tables().items():
            table.clear()
            for _, body in self._database.read(room):
                document = json.loads(body)
                table.add(from_document(kinds[document["kind"]], document["record"]))
        for key, body in self._database.read(JOBS):
            cloud.jobs.by_id[key] = from_document(Job, json.loads(body))
        for _, body in self._database.read(FAULTS):
            cloud.faults.restore(_read_entry(json.loads(body)))
        cloud.power.powered.update(facts[POWERED])
        calls.update(facts[CALLS])
        self.save(cloud, calls)
        return True

    def close(self) -> None:
        self._database.close()


def _all_of(cloud: Cloud, calls: Counter[str]) -> Iterator[tuple[Place, Any]]:
    for room, table in cloud.state.tables().items():
        for key, record in table.items():
            yield (room, key), record
    for key, job in cloud.jobs.by_id.items():
        yield (JOBS, key), job
    for entry in cloud.faults.entries():
        yield (FAULTS, entry.id), _entry_document(entry)
    yield (FACTS, GROUP), cloud.state.default_group_id
    yield (FACTS, POWERED), sorted(cloud.power.powered)
    yield (FACTS, CALLS), dict(calls)


def _document(value: Any) -> Any:
    if isinstance(value, Resource):
        return {"kind": value.kind, "record": to_document(value)}
    return to_document(value)


def _entry_document(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "fault": entry.fault.to_document(),
        "strikes": entry.strikes,
        "struck": list(entry.struck),
        "due": to_document(entry.due),
        "chance": entry.chance.getstate(),
    }


def _read_entry(document: Mapping[str, Any]) -> Entry:
    fault = read_fault(document["fault"])
    entry = Entry(document["id"], fault, document["strikes"], document["struck"])
    entry.due = from_document(dict[str, datetime], document.get("due", {}))
    version, words, more = document["chance"]
    entry.chance = Random()  # noqa: S311 - no secret; its state is restored below
    entry.chance.setstate((version, tuple(words), more))
    return entry
