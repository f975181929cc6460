"""The machine it runs on: facts and CPUs, server processes, their samples and logs, the certificate for TLS."""
