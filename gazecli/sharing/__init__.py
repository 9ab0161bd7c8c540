"""How others get a head set: the evidence for it, its repository on the Hub."""
