"""Copies the events of attempts into an experiment tracker; nothing here decides a result."""
