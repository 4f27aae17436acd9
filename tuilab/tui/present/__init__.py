"""Turns snapshots into text, glyphs and roles; pure functions, tested without an app."""
