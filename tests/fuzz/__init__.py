"""The wire parsers, given any bytes: by hypothesis in the tests, and for longer by atheris (`make fuzz`)."""
