"""Against the libraries of others, in an environment of their own: make test-peers."""
