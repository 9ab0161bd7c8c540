"""Pages of HTML that need nothing else: styles, figures, pictures and attention inside, nothing fetched."""
