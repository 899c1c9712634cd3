"""What others say of `interlock mcp serve`: the conformance suite of the protocol, and a client that is not ours."""
