"""Measures this machine at the experiment's shapes: ``python -m runners.bench``."""
