"""One screen per file, its style sheet beside it."""
