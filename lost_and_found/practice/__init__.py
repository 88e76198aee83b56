"""The practice world: street scenes drawn at real coordinates, so that all stages run offline."""
