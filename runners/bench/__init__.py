"""Measures this machine at the experiment's own shapes: ``python -m runners.bench``."""
