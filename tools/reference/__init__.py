"""The generated pages of the site's reference: commands, documents, error codes and the Python API."""
