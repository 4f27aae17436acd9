"""tuilab: run, watch and relaunch grids of LoRA experiments from the terminal."""

__version__ = "0.2.0"
