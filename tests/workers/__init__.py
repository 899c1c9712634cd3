"""Workers: what they are assembled from, and the machinery that runs them."""
