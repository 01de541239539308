"""Words of a text, what they weigh, and what one text copies from another."""
