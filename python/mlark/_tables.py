"""Tables of objects, for pandas and Arrow."""

from __future__ import annotations

import json
from typing import Any, Dict, Iterable, List, Tuple

# Fields that are milliseconds since 1970.
_TIMES = frozenset({
    "start_time", "end_time", "deleted_time", "creation_time", "last_update_time", "creation_timestamp",
    "last_updated_timestamp", "creation_timestamp_ms", "last_updated_timestamp_ms", "request_time", "timestamp",
    "created_time",
})
# What people look for in a table of runs comes first.
_FIRST = ("run_id", "experiment_id", "run_name", "status", "start_time", "end_time")
_MAPS = ("params", "tags", "trace_metadata", "aliases")


def _plain(value: Any) -> Any:
    """A value that fits a cell: what is no scalar becomes JSON."""
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False, sort_keys=True, default=repr)
    return value


def _wide_run(run: Any) -> Dict[str, Any]:
    row = dict(run["info"])
    row.update((f"metrics.{key}", float(latest["value"])) for key, latest in run["metrics"].items())
    row.update((f"params.{key}", value) for key, value in run["params"].items())
    row.update((f"tags.{key}", value) for key, value in run["tags"].items())
    return row


def _wide(noun: str, item: Any) -> Dict[str, Any]:
    if noun == "runs":
        return _wide_run(item)
    if hasattr(item, "_asdict"):
        return item._asdict()
    row: Dict[str, Any] = {}
    for key, value in item.items():
        if key in _MAPS and isinstance(value, dict):
            row.update((f"{key}.{name}", text) for name, text in value.items())
        else:
            row[key] = _plain(value)
    return row


def to_pandas(noun: str, objects: Iterable[Any]) -> Any:
    import pandas

    if noun == "metrics":
        frame = pandas.DataFrame(list(objects), columns=["run_id", "key", "value", "timestamp", "step"])
    elif noun == "artifacts":
        frame = pandas.DataFrame(list(objects), columns=["owner_id", "path", "size_bytes", "sha256", "absent"])
    else:
        first = dict.fromkeys(_FIRST) if noun == "runs" else {}
        rows = [{**first, **_wide(noun, item)} for item in objects]
        # In the order in which fields are met, metrics before params before tags.
        order = {"metrics": 1, "params": 2, "tags": 3}
        names = dict.fromkeys(name for row in rows for name in row)
        columns = sorted(names, key=lambda name: order.get(name.split(".", 1)[0], 0) if "." in name else 0)
        frame = pandas.DataFrame({name: [row.get(name) for row in rows] for name in columns})
    for name in frame.columns:
        if name in _TIMES:
            times = pandas.to_numeric(frame[name], errors="coerce")
            frame[name] = pandas.to_datetime(times, unit="ms", utc=True, errors="coerce")
    return frame


def to_arrow(noun: str, objects: Iterable[Any]) -> Any:
    import pyarrow as arrow

    texts, numbers = arrow.map_(arrow.string(), arrow.string()), arrow.map_(arrow.string(), arrow.float64())
    columns: Dict[str, List[Any]] = {}
    count = 0
    for item in objects:
        for key, value in _long(noun, item):
            column = columns.setdefault(key, [])
            column.extend([None] * (count - len(column)))
            column.append(value)
        count += 1
    arrays, names = [], []
    for name, column in columns.items():
        column.extend([None] * (count - len(column)))
        if name in _TIMES:
            array = arrow.array(column, type=arrow.timestamp("ms", tz="UTC"))
        elif name in _MAPS and name != "aliases":
            array = arrow.array([_pairs(value) for value in column], type=texts)
        elif name in ("metrics", "aliases"):
            array = arrow.array([_pairs(value) for value in column], type=numbers)
        else:
            array = arrow.array([_plain(value) for value in column])
        arrays.append(array)
        names.append(name)
    return arrow.Table.from_arrays(arrays, names=names)


def _long(noun: str, item: Any) -> Iterable[Tuple[str, Any]]:
    if noun == "runs":
        yield from item["info"].items()
        yield "metrics", {key: float(latest["value"]) for key, latest in item["metrics"].items()}
        for key in ("params", "tags", "inputs", "outputs"):
            yield key, item.get(key)
    elif hasattr(item, "_asdict"):
        yield from item._asdict().items()
    else:
        yield from item.items()


def _pairs(value: Any) -> Any:
    if value is None:
        return None
    # Bytes that are not UTF-8 are shown as people would see them.
    return [(key, text.decode("utf-8", "replace") if isinstance(text, bytes) else text) for key, text in value.items()]
