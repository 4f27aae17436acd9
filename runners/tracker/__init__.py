"""Copies the events of attempts into an experiment tracker; nothing here affects a result."""
