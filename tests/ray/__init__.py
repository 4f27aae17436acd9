"""The grid on a real Ray, for ``make test-ray``: a head in an environment of its own."""
