"""What touches the machine: processes, GPUs, disk, environment, places where workers run."""
