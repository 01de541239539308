"""NLI cross-encoders of the user's choice, in the filter's own process.

torch, transformers and onnxruntime are imported only once a model is configured: the
filter does without them otherwise.
"""

from services.filter.nli.cross_encoder import CrossEncoder
from services.filter.nli.loading import load

__all__ = ["CrossEncoder", "load"]
