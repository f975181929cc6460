"""Deployment drills: what users lose when a server is stopped, reloaded, recycled, overloaded or killed."""
