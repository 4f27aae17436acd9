"""A model hub that runs here: ``python -m tests.hub PORT FOLDER [--rate N] [--fail X]``."""
