"""The pure core: cells, stages, jobs, states, planning; no files, no clock, no processes."""
