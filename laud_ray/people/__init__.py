"""What people are asked and what they answer: questions, leases, votes, and how votes settle a question."""
