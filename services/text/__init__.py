"""What several services read out of texts: words, numbers, copied runs."""
