"""The version, in one place that imports nothing."""

VERSION = "1.0.0"
