"""Measures the screen through a pty; prints figures and ratios, asserts nothing."""
