"""For people who write adapters and agents: contract suites, model exploration, a clock to move."""
