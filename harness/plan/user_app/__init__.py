"""An app of the user: its OpenAPI document, what it answers, and the scenario made from that."""
