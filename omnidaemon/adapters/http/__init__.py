"""HTTP: how webhooks are sent."""
