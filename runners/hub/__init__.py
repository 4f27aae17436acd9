"""What comes from a model hub and goes to one; the hub's own library does the work."""
