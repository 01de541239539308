"""Every error the engine raises beside ValueError for a bad argument.

EngineError
  BuildError     an index could not be written
  FormatError    files on disk are missing, foreign, newer or corrupt
"""


class EngineError(Exception):
    """Base of all errors of the engine; raised itself when an index is closed."""


class BuildError(EngineError):
    """An index could not be written; nothing was left behind."""


class FormatError(EngineError):
    """Files on disk are missing, foreign, newer or corrupt; names the file."""
