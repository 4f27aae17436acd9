"""What the engine decides: pure functions from facts to actions; no file, clock or process."""
