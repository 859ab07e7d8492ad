"""How the application's own words reach a person."""
