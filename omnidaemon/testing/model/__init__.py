"""Workers, a bus and people, reduced to the steps in which they meet a store: what exploration and random walks
share."""
