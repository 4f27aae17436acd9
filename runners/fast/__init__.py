"""The fast path: the same mathematics as PEFT and transformers, in fewer passes over memory."""
