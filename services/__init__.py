"""The services of Stillhouse."""

import os

# gRPC's core reads this when it is first imported. What it would print beside an error,
# the error says already, and in one line.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
