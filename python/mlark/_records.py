"""What is read: documents of the archive with short ways to what people ask for, points and artifacts as tuples."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Dict, NamedTuple, Optional


class Document(Dict[str, Any]):
    """A document of the archive, as `docs/format.md` describes it."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({super().__repr__()})"

    @property
    def tags(self) -> Dict[str, Any]:
        """Tags."""
        return self.get("tags", {})


class Run(Document):
    """A run: `info`, `params`, `tags`, the latest `metrics`, `inputs`, `outputs`."""

    @property
    def info(self) -> Dict[str, Any]:
        """Ids, name, status, times (milliseconds), user and artifact URI."""
        return self["info"]

    @property
    def run_id(self) -> str:
        """Its id."""
        return self["info"]["run_id"]

    @property
    def experiment_id(self) -> str:
        """Id of its experiment."""
        return self["info"]["experiment_id"]

    @property
    def name(self) -> Optional[str]:
        """Its name, where it has one."""
        return self["info"].get("run_name")

    @property
    def params(self) -> Dict[str, Any]:
        """Params."""
        return self["params"]

    @property
    def metrics(self) -> Dict[str, float]:
        """The latest value of each metric; every point is in `Archive.metrics`."""
        return {key: float(latest["value"]) for key, latest in self["metrics"].items()}

    @property
    def start_time(self) -> Optional[datetime]:
        """When it began, in UTC."""
        return _time(self["info"].get("start_time"))

    @property
    def end_time(self) -> Optional[datetime]:
        """When it ended, in UTC."""
        return _time(self["info"].get("end_time"))


class Model(Document):
    """A registered model or a prompt."""

    @property
    def name(self) -> str:
        """Its name."""
        return self["name"]

    @property
    def aliases(self) -> Dict[str, int]:
        """Version numbers by alias."""
        return self["aliases"]

    @property
    def is_prompt(self) -> bool:
        """Whether it is a prompt, which MLflow keeps as a registered model."""
        return self.tags.get("mlflow.prompt.is_prompt") == "true"


class ModelVersion(Document):
    """A version of a registered model."""

    @property
    def name(self) -> str:
        """Name of the model."""
        return self["name"]

    @property
    def version(self) -> int:
        """Its number."""
        return self["version"]

    @property
    def run_id(self) -> Optional[str]:
        """Id of the run that made it, where it says one."""
        return self.get("run_id")


class Trace(Document):
    """A trace, without its spans."""

    @property
    def trace_id(self) -> str:
        """Its id."""
        return self["trace_id"]


class Span(Document):
    """A span of a trace."""

    @property
    def trace_id(self) -> str:
        """Id of its trace."""
        return self["trace_id"]

    @property
    def span_id(self) -> str:
        """Its id."""
        return self["span_id"]


class Metric(NamedTuple):
    """A point of a metric."""

    #: Id of the run (of the logged model, from `Archive.model_metrics`).
    run_id: str
    key: str
    value: float
    #: Milliseconds since 1970.
    timestamp: int
    step: int


class Artifact(NamedTuple):
    """A file that belongs to a run, a logged model, a model version or a trace."""

    owner_id: str
    path: str
    size_bytes: Optional[int]
    #: Digest of its bytes; none where they are not in the archive.
    sha256: Optional[str]
    #: Why its bytes are not in the archive: `not-selected` or `failed`.
    absent: Optional[str]


def _time(milliseconds: Optional[int]) -> Optional[datetime]:
    if milliseconds is None:
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, timezone.utc)
    except (OverflowError, ValueError, OSError):
        return None
