"""The commands, one module for each group of them. Loaded when one of the group is called."""
