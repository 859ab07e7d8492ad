"""How values look as bytes."""
