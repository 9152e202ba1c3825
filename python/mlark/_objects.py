"""An iterator of objects that can also become a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Iterable, Iterator, TypeVar

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
