"""Bytes that nobody thought of, for everything that reads other people's files."""
