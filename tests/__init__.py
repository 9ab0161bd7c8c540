"""Tests: each file reads as a list of sentences about one room of the house."""
