"""Every error the engine raises beside ValueError for a bad argument.

EngineError
  BuildError     an index could not be written
  FormatError    files on disk are missing, foreign, newer or corrupt
  Stopped        a call was cancelled or ran past its deadline
"""


class EngineError(Exception):
    """Base of all errors of the engine; raised itself when an index is closed."""


class BuildError(EngineError):
    """An index could not be written; nothing was left behind."""


class FormatError(EngineError):
    """Files on disk are missing, foreign, newer or corrupt; names the file."""


class Stopped(EngineError):
    """A call was cancelled or ran past its deadline; it left nothing behind."""
