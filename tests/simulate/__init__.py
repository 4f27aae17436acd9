"""Simulations of every test and interval of tuilab/science; ``make simulate`` runs them whole."""
