"""Reads archives of MLflow history, and runs the program `mlark` that makes them.

    import mlark

    with mlark.open("history.zip") as archive:
        for run in archive.runs():
            print(run.run_id, run.name, run.metrics)
        frame = archive.runs().to_pandas()

Reading needs only Python; `to_pandas`, `to_arrow` and `to_polars` need pandas, pyarrow or polars. `export`,
`transform`, `import_`, `restore`, `verify`, `diff` and `snapshot` run the program.
"""

from importlib.metadata import PackageNotFoundError, version

from ._archive import Archive, open
from ._errors import Damaged, Incomplete, MlarkError, NotFound, ProgramError, ProgramMissing, TooNew, UsageError
from ._objects import Objects
from ._program import diff, export, import_, program, restore, snapshot, transform, verify
from ._records import Artifact, Document, Metric, Model, ModelVersion, Run, Span, Trace

try:
    __version__ = version("mlark")
except PackageNotFoundError:  # Used from a clone, without an installation.
    __version__ = "0+unknown"

__all__ = [
    "Archive", "Artifact", "Damaged", "Document", "Incomplete", "Metric", "MlarkError", "Model", "ModelVersion",
    "NotFound", "Objects", "ProgramError", "ProgramMissing", "Run", "Span", "TooNew", "Trace", "UsageError",
    "__version__", "diff", "export", "import_", "open", "program", "restore", "snapshot", "transform", "verify",
]
