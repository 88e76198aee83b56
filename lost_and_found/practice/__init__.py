"""The practice world: drawn street scenes at real coordinates, so that every stage runs without a download."""
