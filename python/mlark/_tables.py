"""Tables of objects, for pandas and Arrow."""

from __future__ import annotations

import json
from typing import Any, Dict, Iterable, Iterator, List, Tuple

from ._objects import Points

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


def _wide(item: Any) -> Dict[str, Any]:
    if hasattr(item, "_asdict"):
        return item._asdict()
    row: Dict[str, Any] = {}
    for key, value in item.items():
        if key in _MAPS and isinstance(value, dict):
            row.update((f"{key}.{name}", text) for name, text in value.items())
        else:
            row[key] = _plain(value)
    return row


def _columns_of(points: Points) -> Dict[str, Any]:
    """Points as columns of numpy."""
    import numpy

    owners: List[str] = []
    keys: List[str] = []
    lengths: List[int] = []
    values, timestamps, steps = [], [], []
    for owner, key, value, timestamp, step in points.slices():
        owners.append(owner)
        keys.append(key)
        lengths.append(len(value))
        # NaN and infinities are texts in a line.
        values.append(numpy.array(value, dtype="float64"))
        timestamps.append(numpy.array(timestamp, dtype="int64"))
        steps.append(numpy.array(step, dtype="int64"))

    def joined(pieces: List[Any], kind: str) -> Any:
        return numpy.concatenate(pieces) if pieces else numpy.array([], dtype=kind)

    return {
        "run_id": numpy.repeat(numpy.array(owners, dtype=object), lengths),
        "key": numpy.repeat(numpy.array(keys, dtype=object), lengths),
        "value": joined(values, "float64"),
        "timestamp": joined(timestamps, "int64"),
        "step": joined(steps, "int64"),
    }


class _Columns:
    """Columns that grow by name; a row that has no value for one leaves a gap."""

    def __init__(self, prefix: str, gap: Any) -> None:
        self._prefix, self._gap = prefix, gap
        self._columns: Dict[str, List[Any]] = {}

    def add(self, row: int, values: Iterable[Tuple[str, Any]]) -> None:
        columns = self._columns
        for name, value in values:
            column = columns.get(name)
            if column is None:
                column = columns[name] = [self._gap] * row
            elif len(column) < row:
                column.extend([self._gap] * (row - len(column)))
            column.append(value)

    def finish(self, rows: int) -> Iterator[Tuple[str, List[Any]]]:
        for name, column in self._columns.items():
            column.extend([self._gap] * (rows - len(column)))
            yield self._prefix + name, column


def _columns_of_runs(runs: Iterable[Any]) -> Dict[str, List[Any]]:
    info, metrics = _Columns("", None), _Columns("metrics.", float("nan"))
    params, tags = _Columns("params.", None), _Columns("tags.", None)
    count = 0
    for run in runs:
        info.add(count, run["info"].items())
        metrics.add(count, [(key, float(latest["value"])) for key, latest in run["metrics"].items()])
        params.add(count, run["params"].items())
        tags.add(count, run["tags"].items())
        count += 1
    fields = dict(info.finish(count))
    columns = {name: fields.pop(name, [None] * count) for name in _FIRST}
    for group in (fields.items(), metrics.finish(count), params.finish(count), tags.finish(count)):
        columns.update(group)
    return columns


def to_pandas(noun: str, objects: Iterable[Any]) -> Any:
    import pandas

    if isinstance(objects, Points):
        frame = pandas.DataFrame(_columns_of(objects))
    elif noun == "artifacts":
        frame = pandas.DataFrame(list(objects), columns=["owner_id", "path", "size_bytes", "sha256", "absent"])
    elif noun == "runs":
        frame = pandas.DataFrame(_columns_of_runs(objects))
    else:
        rows = [_wide(item) for item in objects]
        names = dict.fromkeys(name for row in rows for name in row)
        frame = pandas.DataFrame({name: [row.get(name) for row in rows] for name in names})
    for name in frame.columns:
        if name in _TIMES:
            times = pandas.to_numeric(frame[name], errors="coerce")
            frame[name] = pandas.to_datetime(times, unit="ms", utc=True, errors="coerce")
    return frame


def to_arrow(noun: str, objects: Iterable[Any]) -> Any:
    import pyarrow as arrow

    if isinstance(objects, Points):
        table = arrow.table(_columns_of(objects))
        time = table.schema.get_field_index("timestamp")
        return table.set_column(time, "timestamp", table["timestamp"].cast(arrow.timestamp("ms", tz="UTC")))
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
