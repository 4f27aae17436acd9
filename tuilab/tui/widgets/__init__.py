"""Widgets that paint finished lines; they read no file and decide nothing."""
