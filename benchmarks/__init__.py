"""What the speed claims rest on: Interlock beside a hand-written Temporal loop, on the same work (`make bench`)."""
