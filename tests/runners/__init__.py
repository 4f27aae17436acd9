"""Real runners and the tiny base under test; mirrors ``runners``."""
