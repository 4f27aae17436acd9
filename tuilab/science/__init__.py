"""Pure numbers: measurements in, intervals, classes, claims, tables and figure data out."""
