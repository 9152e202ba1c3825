"""The text of values in a line: markers such as `$bytes` become values, doubled `$` of users' keys become one.

`docs/format.md`, section 3. Keys of tags, params and metadata stand as the user chose them; in free JSON and among
attributes a key that starts with `$` has one more, and an object of the one key `$blob`, `$bytes`, `$int` or `$float`
stands for a value.
"""

from __future__ import annotations

import base64
import json
from typing import Any, Callable, Dict, Optional, Tuple, Union

from ._errors import Damaged

# How the keys at a place are to be read.
_TEXTS = "texts"  # users' keys as they are, a text each
_TYPED = "typed"  # nothing to decode
_Shape = Union[str, Dict[str, Any], Tuple[Dict[str, Any]]]
_TAGS: Dict[str, _Shape] = {"tags": _TEXTS}

# The fields of a kind that are neither free JSON nor a single value; a tuple is a list of such objects.
_SHAPES: Dict[str, Dict[str, _Shape]] = {
    "experiments": _TAGS,
    "model-versions": _TAGS,
    "evaluation-datasets": _TAGS,
    "runs": {
        "inputs": {"dataset_inputs": (_TAGS,), "model_inputs": _TYPED},
        "metrics": _TYPED,
        "outputs": _TYPED,
        "params": _TEXTS,
        "tags": _TEXTS,
    },
    "logged-models": {"params": _TEXTS, "tags": _TEXTS},
    "registered-models": {"aliases": _TYPED, "tags": _TEXTS},
    "traces": {
        "assessments": ({"metadata": _TEXTS, "source": _TYPED},),
        "tags": _TEXTS,
        "trace_metadata": _TEXTS,
    },
}
# Lines of these kinds have no markers.
_PLAIN = frozenset({"metrics", "model-metrics", "artifacts"})

_PARSE = json.JSONDecoder().raw_decode

ReadBlob = Callable[[Dict[str, Any]], bytes]


class Decoder:
    """Decodes the lines of one kind; long texts are read with `read_blob`."""

    def __init__(self, kind: str, read_blob: ReadBlob) -> None:
        self._shape = _SHAPES.get(kind, {})
        self._is_plain = kind in _PLAIN
        self._read_blob = read_blob

    def line(self, line: bytes) -> Any:
        """The document of a line, which ends with a line feed."""
        text = line.decode("utf-8")
        value, end = _PARSE(text)
        if end != len(text) - 1:
            raise Damaged("a line is not one JSON text")
        if self._is_plain or b'"$' not in line:
            return value
        return self._shaped(value, self._shape)

    def _shaped(self, value: Any, shape: Optional[_Shape]) -> Any:
        if shape is None:
            return self._free(value)
        if shape == _TYPED:
            return value
        if shape == _TEXTS and isinstance(value, dict):
            return {key: self._free(text) for key, text in value.items()}
        if isinstance(shape, tuple) and isinstance(value, list):
            return [self._shaped(item, shape[0]) for item in value]
        if isinstance(shape, dict) and isinstance(value, dict):
            return {_name(key): self._shaped(item, shape.get(key)) for key, item in value.items()}
        return value

    def _free(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._free(item) for item in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (key, item), = value.items()
            if key.startswith("$") and not key.startswith("$$"):
                return self._marker(key, item)
        return {_name(key): self._free(item) for key, item in value.items()}

    def _marker(self, key: str, value: Any) -> Any:
        try:
            if key == "$blob":
                return self._read_blob(value).decode("utf-8")
            if key == "$bytes":
                # The base64 text is a blob too where it is long.
                return base64.b64decode(self._free(value), validate=True)
            if key == "$int":
                return int(value)
            if key == "$float":
                return float(value)
        except (TypeError, ValueError, KeyError) as error:
            raise Damaged(f"`{key}` holds what it must not: {error}") from None
        raise Damaged(f"`{key}` is no marker of this version")


def _name(key: str) -> str:
    return key[1:] if key.startswith("$$") else key
