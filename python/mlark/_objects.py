"""An iterator of objects that can also become a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Generic, Iterable, Iterator, List, Tuple, TypeVar

from ._records import Metric

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

T = TypeVar("T")


class Objects(Generic[T]):
    """Objects of one kind, one after another; `to_pandas`, `to_arrow` and `to_polars` make a table of those that are left.

    Nothing is read before it is asked for.
    """

    def __init__(self, noun: str, objects: Iterable[T]) -> None:
        self._noun = noun
        self._objects = iter(objects)

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        return next(self._objects)

    def __repr__(self) -> str:
        return f"<mlark {self._noun}>"

    def to_pandas(self) -> pandas.DataFrame:
        """A DataFrame. Runs have the columns of `mlflow.search_runs`: `run_id`, `status`, `start_time`, `metrics.x`,
        `params.x`, `tags.x` …; other objects a column for each field."""
        from ._tables import to_pandas

        return to_pandas(self._noun, self)

    def to_arrow(self) -> pyarrow.Table:
        """A table of Arrow; tags, params and latest metrics are maps."""
        from ._tables import to_arrow

        return to_arrow(self._noun, self)

    def to_polars(self) -> polars.DataFrame:
        """A DataFrame of polars, made from `to_arrow`."""
        import polars

        made: Any = polars.from_arrow(self.to_arrow())
        return made


class Points(Objects[Metric]):
    """Points of metrics, of which the archive holds slices in columns: a table is made without a look at each point."""

    def __init__(self, owner: str, slices: Iterable[Dict[str, Any]]) -> None:
        super().__init__("metrics", ())
        self._owner = owner
        self._slices = iter(slices)

    def __iter__(self) -> Iterator[Metric]:
        while True:
            yield from self._objects
            line = next(self._slices, None)
            if line is None:
                return
            self._objects = self._points_of(line)

    def __next__(self) -> Metric:
        while True:
            for point in self._objects:
                return point
            self._objects = self._points_of(next(self._slices))

    def _points_of(self, line: Dict[str, Any]) -> Iterator[Metric]:
        owner, key = line[self._owner], line["key"]
        for value, timestamp, step in zip(line["values"], line["timestamps"], line["steps"]):
            yield Metric(owner, key, float(value), timestamp, step)

    def slices(self) -> Iterator[Tuple[str, str, List[Any], List[int], List[int]]]:
        """What is left, in pieces of one metric: run id, key, values, timestamps, steps."""
        for point in self._objects:
            yield point.run_id, point.key, [point.value], [point.timestamp], [point.step]
        for line in self._slices:
            yield line[self._owner], line["key"], line["values"], line["timestamps"], line["steps"]
