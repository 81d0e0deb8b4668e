"""The rules of tests/tidy.py, one module per kind."""
