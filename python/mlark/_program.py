"""Runs the program `mlark` that comes in the same wheel."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from typing import Any, Dict, List, Optional, Sequence

from ._archive import PathLike
from ._errors import Incomplete, ProgramError, ProgramMissing, UsageError


def program() -> str:
    """Path of the program: `MLARK`, else beside this Python, else on the `PATH`.

    Raises `ProgramMissing`, an `ImportError`, where there is none.
    """
    named = os.environ.get("MLARK")
    if named:
        return named
    name = "mlark" + (sysconfig.get_config_var("EXE") or "")
    user = f"{os.name}_user"
    folders = [sysconfig.get_path("scripts"), os.path.dirname(sys.executable)]
    if user in sysconfig.get_scheme_names():
        folders.append(sysconfig.get_path("scripts", user))
    for folder in folders:
        path = os.path.join(folder, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    found = shutil.which("mlark")
    if found:
        return found
    raise ProgramMissing(
        "the program `mlark` is not installed: install the wheel with pip, or set MLARK to the path of the program; "
        "reading archives works without it"
    )


def run(command: str, arguments: Sequence[str], options: Dict[str, Any]) -> Any:
    """Runs a command with `--json` and gives the document that it prints."""
    line = [program(), command, "--json", *_flags(options), *(["--"] if arguments else []), *arguments]
    done = subprocess.run(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    document = _document(done.stdout)
    # 1 is findings or differences: a result, which the document tells.
    if done.returncode in (0, 1) and document is not None:
        return document
    if done.returncode == 0:
        return None
    raise _error(done.returncode, done.stderr.decode("utf-8", "replace"), document)


def _flags(options: Dict[str, Any]) -> List[str]:
    flags = []
    for name, value in options.items():
        flag = "--" + name.rstrip("_").replace("_", "-")
        if value is True:
            flags.append(flag)
        elif isinstance(value, (list, tuple)):
            flags.extend(f"{flag}={item}" for item in value)
        elif value is not None and value is not False:
            flags.append(f"{flag}={os.fspath(value) if isinstance(value, os.PathLike) else value}")
    return flags


def _document(text: bytes) -> Any:
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except ValueError:
        lines = [json.loads(line) for line in text.splitlines() if line.strip()]
        return lines


def _error(exit_code: int, text: str, document: Any) -> ProgramError:
    kind = {2: UsageError, 3: Incomplete}.get(exit_code, ProgramError)
    for line in reversed(text.strip().splitlines()):
        try:
            said = json.loads(line)
        except ValueError:
            continue
        if isinstance(said, dict) and "error" in said:
            return kind(said["error"], exit_code, said.get("causes", []), said.get("hint"), document)
    # The parser of arguments speaks plain text.
    last = text.strip() or ("some of it could not be read or written" if exit_code == 3 else f"exit code {exit_code}")
    return kind(last, exit_code, [], None, document)


def export(source: Optional[PathLike], out: PathLike, **options: Any) -> Any:
    """`mlark export SOURCE -o OUT`; `source` none is `MLFLOW_TRACKING_URI`. Options are those of the program, with `_`
    for `-`: `export("mlruns", "h.zip", experiment=["a", "b"], keep_going=True)`."""
    arguments = [] if source is None else [os.fspath(source)]
    return run("export", arguments, {"output": os.fspath(out), **options})


def transform(archive: PathLike, out: PathLike, **options: Any) -> Any:
    """`mlark transform ARCHIVE -o OUT`: `transform("a.zip", "b.zip", source_tags=True)`."""
    return run("transform", [os.fspath(archive)], {"output": os.fspath(out), **options})


def import_(archive: PathLike, target: Optional[PathLike] = None, **options: Any) -> Any:
    """`mlark import ARCHIVE TARGET`: replays an archive into a server."""
    arguments = [os.fspath(archive)] + ([] if target is None else [os.fspath(target)])
    return run("import", arguments, options)


def restore(archive: PathLike, target: Optional[PathLike] = None, **options: Any) -> Any:
    """`mlark restore ARCHIVE [TARGET]`: makes a folder (`output=…`) or fills a database, with every id kept."""
    arguments = [os.fspath(archive)] + ([] if target is None else [os.fspath(target)])
    return run("restore", arguments, options)


def verify(archive: PathLike, **options: Any) -> Any:
    """`mlark verify ARCHIVE`: its document; `findings` lists all damage."""
    return run("verify", [os.fspath(archive)], options)


def diff(left: PathLike, right: PathLike, **options: Any) -> Any:
    """`mlark diff A B`: its document."""
    return run("diff", [os.fspath(left), os.fspath(right)], options)


def snapshot(archive: PathLike, **options: Any) -> str:
    """`mlark snapshot ARCHIVE`: one stable text, the same for two recordings of the same history."""
    line = [program(), "snapshot", *_flags(options), "--", os.fspath(archive)]
    done = subprocess.run(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise _error(done.returncode, done.stderr.decode("utf-8", "replace"), None)
    return done.stdout.decode("utf-8")
