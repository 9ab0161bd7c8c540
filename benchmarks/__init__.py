"""What speed and memory are promised, each measured beside what it is compared with.

`python -m benchmarks` runs them all; every file runs on its own too.
"""
