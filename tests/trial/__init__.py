"""A scripted trial of tuilab on the tiny base: everything is killed, filled up or cut, for real."""
