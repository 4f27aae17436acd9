"""Prepared figures as lines of text: how they are drawn and where their cursor goes."""
