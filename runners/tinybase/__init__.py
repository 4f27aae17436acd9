"""The tiny base: a synthetic Qwen2-architecture model, its build script and its frozen output."""
