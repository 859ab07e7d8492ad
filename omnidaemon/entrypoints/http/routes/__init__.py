"""The routes, a module per concern. Each asks the client and gives its answer a shape; nothing is decided here."""
