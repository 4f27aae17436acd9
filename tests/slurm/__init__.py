"""A Slurm of two nodes on this machine, each in namespaces of its own, for ``make test-slurm``."""
