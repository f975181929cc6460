"""Facts about the machine, and what is done on it: CPUs, processes, readiness, samples, logs, certificates."""
