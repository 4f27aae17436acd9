"""Where the store's rows meet the science: an experiment opened for reading its numbers."""
