"""Runs one grid in two ways and compares times and results."""
