"""The fast path and the benchmark under test; mirrors ``runners.fast`` and ``runners.bench``."""
