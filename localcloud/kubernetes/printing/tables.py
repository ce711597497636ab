"""Server-side tables, which `kubectl get` requests instead of objects."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from localcloud.kubernetes.objects.kinds import Kind
from localcloud.kubernetes.objects.store import Stored
from localcloud.kubernetes.printing.printers import find_printer


def table(
    kind: Kind,
    items: Iterable[Stored],
    now: datetime,
    *,
    metadata: dict[str, Any],
    include: str,
) -> dict[str, Any]:
    """Return a Table of objects.

    Args:
        metadata: of the list, such as its resourceVersion and continue token.
        include: `None`, `Metadata` or `Object`: the part of its object in each row.
    """
    printer = find_printer(kind)
    rows = []
    for stored in items:
        row: dict[str, Any] = {"cells": printer.cells(stored.body, now)}
        if include == "Object":
            row["object"] = stored.body
        elif include != "None":
            row["object"] = {
                "apiVersion": "meta.k8s.io/v1",
                "kind": "PartialObjectMetadata",
                "metadata": stored.body["metadata"],
            }
        rows.append(row)
    return {
        "apiVersion": "meta.k8s.io/v1",
        "columnDefinitions": [column.definition() for column in printer.columns],
        "kind": "Table",
        "metadata": metadata,
        "rows": rows,
    }
