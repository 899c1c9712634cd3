"""What is measured, and how: processor time, memory, histories, and the numbers made of them."""
