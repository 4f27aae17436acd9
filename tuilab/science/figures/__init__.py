"""Figures before anyone draws them: what a figure is and what each of them shows."""
