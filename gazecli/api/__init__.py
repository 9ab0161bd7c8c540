"""What takes several rooms: an evaluation that is kept, a report of it, the state of a machine."""
