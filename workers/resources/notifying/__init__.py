"""How notices leave: channels by mail, signed webhook or command, and the pump that sends what stands in the outbox."""
