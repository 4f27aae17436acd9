"""Places to run workers on for tests: other machines on this one."""
