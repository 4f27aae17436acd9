"""Measures the screen through a pty; prints figures and ratios, asserts nothing."""

import os

# What is measured is what a user has, compiled at its first start; with this every start compiles.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
