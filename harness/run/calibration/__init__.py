"""What the load generator itself can do: its ceiling, and its rate beside that of others."""
