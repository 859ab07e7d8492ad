"""What the application needs from the outside: small abstract classes whose docstrings are the specification."""
