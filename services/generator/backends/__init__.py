"""Where continuations and scores come from: one backend a file, behind `base.Backend`."""
