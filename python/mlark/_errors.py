"""What can go wrong."""

from __future__ import annotations

from typing import Any, List, Optional


class MlarkError(Exception):
    """Anything that mlark refuses or cannot do."""


class Damaged(MlarkError):
    """The archive is not what its checksums say, or not whole."""


class TooNew(MlarkError):
    """The archive needs a newer mlark."""


class NotFound(MlarkError, KeyError):
    """The archive has no such object or file."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class ProgramMissing(MlarkError, ImportError):
    """The program `mlark` is not installed beside this package, nor on the PATH."""


class ProgramError(MlarkError):
    """The program ended with an error."""

    def __init__(self, message: str, exit_code: int, causes: List[str], hint: Optional[str], document: Any) -> None:
        super().__init__(": ".join([message, *causes]))
        #: Exit code of the program, as `mlark --help` lists them.
        self.exit_code = exit_code
        #: Why, the nearest cause first.
        self.causes = causes
        #: What may help.
        self.hint = hint
        #: What the program printed as its result, if anything.
        self.document = document


class UsageError(ProgramError):
    """The options do not fit (exit code 2)."""


class Incomplete(ProgramError):
    """Done, but not whole: something could not be read or written (exit code 3)."""
