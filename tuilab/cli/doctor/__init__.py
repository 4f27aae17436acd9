"""Looks at the machine: what is installed, which devices and folders, what fits a config."""
