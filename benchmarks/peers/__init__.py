"""One file for each peer, all with the same interface: `work(slots)` and `client()`; see `driver.py`."""
