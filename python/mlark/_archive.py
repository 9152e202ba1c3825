"""Reading an archive by its specification, `docs/format.md`, with nothing but the standard library."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Dict, FrozenSet, Iterator, List, NamedTuple, Optional, Tuple, Union

from ._decode import Decoder
from ._errors import Damaged, MlarkError, NotFound, TooNew
from ._objects import Objects, Points
from ._records import Artifact, Document, Metric, Model, ModelVersion, Run, Span, Trace

# Features of the format that this reader knows, or that concern nothing that it reads.
_KNOWN_FEATURES: FrozenSet[str] = frozenset({"undo-lines"})
# Bounds of the format: a line, a long text, a manifest.
_LINE_BYTES = 16 << 20
_TEXT_BYTES = 256 << 20
_MANIFEST_BYTES = 64 << 20
_CHUNK_BYTES = 1 << 20
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")
_LISTED = re.compile(r"(objects|blobs|undo)/[A-Za-z0-9/._-]+\Z|[a-z-]+\.jsonl\Z")
_OWN_FILES = ("mlark.json", "mlark.json.sha256", "SHA256SUMS")

PathLike = Union[str, "os.PathLike[str]"]


def open(path: PathLike) -> "Archive":  # noqa: A001 - `mlark.open` reads as `gzip.open` does
    """Opens an archive, a zip or a folder, for reading.

    Raises `Damaged` if there is no complete archive, and `TooNew` if this version cannot read it. Everything is
    checked against its digest when it is read; `Archive.verify` checks the whole archive.
    """
    return Archive(path)


# What the zip reader and the parser raise for bytes that they do not take; RuntimeError: an encrypted entry, an unknown
# method, JSON that is too deep.
_MISREAD = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, TypeError, RuntimeError)


@contextmanager
def _damage(name: str) -> Iterator[None]:
    """Bytes that cannot be read are damage, with its place."""
    try:
        yield
    except KeyError as error:
        raise Damaged(f"{name}: {error} is missing") from None
    except _MISREAD as error:
        raise Damaged(f"{name}: {error}") from None


class _Folder:
    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self) -> List[str]:
        found = []
        for folder, folders, files in os.walk(self._root):
            # A link is no part of an archive, wherever it leads.
            for name in files + [name for name in folders if os.path.islink(os.path.join(folder, name))]:
                found.append(Path(folder, name).relative_to(self._root).as_posix())
        return sorted(found)

    def open(self, name: str) -> IO[bytes]:
        path = self._root.joinpath(*name.split("/"))
        if path.is_symlink() or not path.is_file():
            raise Damaged(f"{name} is missing, or is not a plain file")
        return io.open(path, "rb")

    def close(self) -> None:
        pass


class _Zip:
    def __init__(self, path: Path) -> None:
        with _damage(str(path)):
            self._zip = zipfile.ZipFile(path)
        names = self._zip.namelist()
        if len(set(names)) != len(names):
            raise Damaged("the zip has a name twice")

    def names(self) -> List[str]:
        return sorted(self._zip.namelist())

    def open(self, name: str) -> IO[bytes]:
        with _damage(name):
            return self._zip.open(name)

    def close(self) -> None:
        self._zip.close()


class _Descriptor(NamedTuple):
    path: str
    sha256: str
    size_bytes: int


class Archive:
    """An archive that is open for reading; a context manager.

    Objects come as dicts, as the archive's documents are (`docs/format.md`), with long texts in place and bytes that
    are not UTF-8 as `bytes`.
    """

    def __init__(self, path: PathLike) -> None:
        self.path = Path(path)
        if not self.path.exists():
            raise MlarkError(f"{self.path} does not exist")
        self._files: Union[_Folder, _Zip] = _Zip(self.path) if self.path.is_file() else _Folder(self.path)
        #: The manifest, `mlark.json`.
        self.manifest: Dict[str, Any] = self._read_manifest()
        self._kinds: Dict[str, List[_Descriptor]] = {}
        for file in self._descriptors():
            if file.path.startswith("objects/"):
                kind = file.path[len("objects/"):].rsplit("-", 1)[0]
                self._kinds.setdefault(kind, []).append(file)

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<mlark.Archive {str(self.path)!r}>"

    def close(self) -> None:
        """Closes the file; iterators of it end with an error."""
        self._files.close()

    @property
    def content_id(self) -> str:
        """SHA-256 of `SHA256SUMS`: equal content, equal id."""
        return self.manifest["content_id"]

    @property
    def counts(self) -> Dict[str, int]:
        """Lines of each kind."""
        return self.manifest["counts"]

    @property
    def origin(self) -> str:
        """The stable name of where the data came from."""
        return self.manifest["origin"]

    @property
    def losses(self) -> Dict[str, Any]:
        """What the archive does not hold, counted: `limits` and `failures`."""
        return self.manifest["losses"]

    # Objects

    def lines(self, kind: str) -> Iterator[Dict[str, Any]]:
        """The documents of a kind (`runs`, `model-versions` …), in the archive's order."""
        decoder = Decoder(kind, self._read_text)
        for file in self._kinds.get(kind, []):
            yield from self._lines_of(file, decoder)

    def experiments(self) -> Objects[Document]:
        """Experiments, by id."""
        return Objects("experiments", map(Document, self.lines("experiments")))

    def runs(self, experiment: Optional[str] = None) -> Objects[Run]:
        """Runs, by experiment, start time and id; of one experiment, by its id or name."""
        runs = map(Run, self.lines("runs"))
        if experiment is None:
            return Objects("runs", runs)
        wanted = {e["experiment_id"] for e in self.experiments() if experiment in (e["experiment_id"], e["name"])}
        if not wanted:
            raise NotFound(f"no experiment has the id or name {experiment!r}")
        return Objects("runs", (run for run in runs if run["info"]["experiment_id"] in wanted))

    def run(self, run_id: str) -> Run:
        """One run, by its id."""
        return self._one("run", run_id, (run for run in self.runs() if run.run_id == run_id))

    def metrics(self, run: Optional[str] = None, key: Optional[str] = None) -> Objects[Metric]:
        """Every point of the metrics, of one run and of one key where they are given."""
        return self._slices("metrics", "run_id", run, key)

    def model_metrics(self, model: Optional[str] = None, key: Optional[str] = None) -> Objects[Metric]:
        """Every point of the metrics of logged models; `run_id` of a point is then the model's id."""
        return self._slices("model-metrics", "model_id", model, key)

    def datasets(self) -> Objects[Document]:
        """Datasets that runs read."""
        return Objects("datasets", map(Document, self.lines("datasets")))

    def logged_models(self) -> Objects[Document]:
        """Logged models of MLflow 3."""
        return Objects("logged-models", map(Document, self.lines("logged-models")))

    def models(self) -> Objects[Model]:
        """Registered models; prompts are those whose `is_prompt` is true."""
        return Objects("models", map(Model, self.lines("registered-models")))

    def versions(self, model: Optional[str] = None) -> Objects[ModelVersion]:
        """Versions of registered models, of one where its name is given."""
        versions = map(ModelVersion, self.lines("model-versions"))
        chosen = versions if model is None else (version for version in versions if version["name"] == model)
        return Objects("versions", chosen)

    def traces(self) -> Objects[Trace]:
        """Traces, by experiment, request time and id."""
        return Objects("traces", map(Trace, self.lines("traces")))

    def spans(self, trace: Optional[str] = None) -> Objects[Span]:
        """Spans, of one trace where its id is given."""
        spans = map(Span, self.lines("spans"))
        return Objects("spans", spans if trace is None else (span for span in spans if span["trace_id"] == trace))

    # Artifacts

    def artifacts(self, run: Optional[str] = None, *, owner_kind: str = "run") -> Objects[Artifact]:
        """Artifacts of runs, or of the one whose id is given; `owner_kind` may be `logged_model`, `model_version` or
        `trace`, with their ids (`name/version` for a version)."""
        return Objects("artifacts", self._artifacts(owner_kind, run))

    def artifact(self, run: str, path: str, *, owner_kind: str = "run") -> bytes:
        """The bytes of one artifact; its digest is checked."""
        with self.open_artifact(run, path, owner_kind=owner_kind) as file:
            return file.read()

    def open_artifact(self, run: str, path: str, *, owner_kind: str = "run") -> IO[bytes]:
        """Opens one artifact for reading; reading it to its end checks its digest."""
        wanted = (file for file in self._artifacts(owner_kind, run) if file.path == path)
        file = self._one("artifact", path, wanted)
        if file.sha256 is None:
            raise NotFound(f"artifact {path!r} is listed and its bytes are not in the archive: {file.absent}")
        return io.BufferedReader(_Checked(self, _blob_path(file.sha256), file.sha256, file.size_bytes))

    def extract(self, run: str, out: PathLike, *, owner_kind: str = "run") -> List[Path]:
        """Writes the artifacts of a run below a folder; what exists is not overwritten."""
        written = []
        for file in self._artifacts(owner_kind, run):
            parts = file.path.split("/")
            if {"", ".", ".."} & set(parts) or "\0" in file.path or os.path.isabs(file.path):
                raise Damaged(f"an artifact has the path {file.path!r}")
            if file.sha256 is None:
                continue
            target = Path(out).joinpath(*parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            checked = _Checked(self, _blob_path(file.sha256), file.sha256, file.size_bytes)
            with checked, io.open(target, "xb") as copy:
                for chunk in iter(lambda: checked.read(_CHUNK_BYTES), b""):
                    copy.write(chunk)
            written.append(target)
        return written

    # Checks

    def verify(self) -> None:
        """Reads every byte and raises `Damaged` at the first that is not as its digest says, and for files that are
        missing or too many. The program's `mlark verify` checks more, such as order and references."""
        sums, stored = self._read("SHA256SUMS", None)
        if stored != self.content_id:
            raise Damaged("SHA256SUMS does not have the content id")
        listed: Dict[str, str] = {}
        for line in sums.decode("utf-8", "surrogateescape").splitlines():
            digest, path = line[:64], line[66:]
            if not _DIGEST.match(digest) or line[64:66] != "  " or (listed and path <= next(reversed(listed))):
                raise Damaged("SHA256SUMS is not sorted, or a line of it is none")
            listed[path] = digest
        listed.update((file.path, file.sha256) for file in self._descriptors())
        names = [name for name in self._files.names() if name not in _OWN_FILES]
        differing = sorted(set(names) ^ set(listed))
        if differing:
            raise Damaged(f"these files are only in the list, or only in the archive: {differing[:5]}")
        for name, digest in listed.items():
            if self._sha256(name) != digest:
                raise Damaged(f"{name} has other bytes")
        for owner_kind in ("run", "logged_model", "model_version", "trace"):
            for artifact in self._artifacts(owner_kind, None):
                if artifact.sha256 is not None and _blob_path(artifact.sha256) not in listed:
                    raise Damaged(f"no blob for {artifact.path}")

    # How it is read

    def _one(self, noun: str, name: str, found: Iterator[Any]) -> Any:
        for item in found:
            return item
        raise NotFound(f"the archive has no {noun} {name!r}")

    def _read_manifest(self) -> Dict[str, Any]:
        text, digest = self._read("mlark.json", _MANIFEST_BYTES)
        seal, _ = self._read("mlark.json.sha256", 1024)
        if seal != f"{digest}  mlark.json\n".encode():
            raise Damaged("the seal mlark.json.sha256 does not match mlark.json")
        with _damage("mlark.json"):
            manifest = json.loads(text)
            form = manifest["format"]
            if form["name"] != "mlark-archive":
                raise Damaged("mlark.json is the manifest of something else")
            unknown = sorted(set(form["requires"]) - _KNOWN_FEATURES)
            if form["major"] != 1 or unknown:
                needs = f"version {form['major']}" + "".join(f", {name}" for name in unknown)
                raise TooNew(f"the archive needs a newer mlark: {needs}")
            for key in ("content_id", "counts", "files", "origin", "losses"):
                manifest[key]
        return manifest

    def _descriptors(self) -> List[_Descriptor]:
        with _damage("mlark.json"):
            listed = [_Descriptor(file["path"], file["sha256"], file["size_bytes"]) for file in self.manifest["files"]]
            for file in listed:
                is_known = _LISTED.match(file.path) and _DIGEST.match(file.sha256)
                if not is_known or {"", ".", ".."} & set(file.path.split("/")):
                    raise Damaged(f"the manifest lists {file.path!r}")
        return listed

    def _lines_of(self, file: _Descriptor, decoder: Decoder) -> Iterator[Any]:
        digest = hashlib.sha256()
        number = 0
        with self._files.open(file.path) as lines:
            while True:
                try:
                    line = lines.readline(_LINE_BYTES + 1)
                    if not line:
                        break
                    number += 1
                    digest.update(line)
                    if not line.endswith(b"\n"):
                        raise Damaged("it is too long or not ended")
                    value = decoder.line(line)
                except (Damaged, *_MISREAD) as error:
                    raise Damaged(f"{file.path} line {number}: {error}") from None
                yield value
        if digest.hexdigest() != file.sha256:
            raise Damaged(f"{file.path} has other bytes")

    def _slices(self, kind: str, owner: str, wanted: Optional[str], key: Optional[str]) -> Points:
        lines = self.lines(kind)
        chosen = (line for line in lines if wanted in (None, line[owner]) and key in (None, line["key"]))
        return Points(owner, chosen)

    def _artifacts(self, owner_kind: str, owner: Optional[str]) -> Iterator[Artifact]:
        for line in self.lines("artifacts"):
            if line["owner_kind"] == owner_kind and owner in (None, line["owner_id"]):
                for file in line["files"]:
                    digest = file.get("sha256")
                    if digest is not None and not _DIGEST.match(digest):
                        raise Damaged(f"an artifact has the digest {digest!r}")
                    yield Artifact(line["owner_id"], file["path"], file.get("size_bytes"), digest, file.get("absent"))

    def _read_text(self, reference: Dict[str, Any]) -> bytes:
        digest, size_bytes = reference["sha256"], reference["size_bytes"]
        if not _DIGEST.match(digest) or not 0 <= size_bytes <= _TEXT_BYTES:
            raise Damaged("a long text has a size or digest that it cannot have")
        with _Checked(self, _blob_path(digest), digest, size_bytes) as file:
            return file.readall()

    def _read(self, name: str, most_bytes: Optional[int]) -> Tuple[bytes, str]:
        with _damage(name), self._files.open(name) as file:
            content = file.read() if most_bytes is None else file.read(most_bytes + 1)
        if most_bytes is not None and len(content) > most_bytes:
            raise Damaged(f"{name} is too long")
        return content, hashlib.sha256(content).hexdigest()

    def _sha256(self, name: str) -> str:
        digest = hashlib.sha256()
        with _damage(name), self._files.open(name) as file:
            for chunk in iter(lambda: file.read(_CHUNK_BYTES), b""):
                digest.update(chunk)
        return digest.hexdigest()


def _blob_path(digest: str) -> str:
    return f"blobs/sha256/{digest[:2]}/{digest}"


class _Checked(io.RawIOBase):
    """A blob whose size and digest are checked at its end."""

    def __init__(self, archive: Archive, name: str, sha256: str, size_bytes: Optional[int]) -> None:
        super().__init__()
        self._name, self._sha256, self._size_bytes = name, sha256, size_bytes
        self._file = archive._files.open(name)
        self._digest = hashlib.sha256()
        self._read_bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with _damage(self._name):
            chunk = self._file.read(len(buffer))
        self._digest.update(chunk)
        self._read_bytes += len(chunk)
        is_longer = self._size_bytes is not None and self._read_bytes > self._size_bytes
        is_end = not chunk and len(buffer) > 0
        if is_longer or is_end and self._digest.hexdigest() != self._sha256:
            raise Damaged(f"{self._name} has other bytes")
        buffer[:len(chunk)] = chunk
        return len(chunk)

    def close(self) -> None:
        self._file.close()
        super().close()
