"""How `tiny` is trained and measured; not part of the wheel."""
