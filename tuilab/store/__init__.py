"""The only code that knows paths: the experiment directory and everything read from it."""
