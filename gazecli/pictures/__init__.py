"""Pictures: a file or a comic folder becomes a `Picture` with numbered regions."""
