"""What is known: definitions ever seen, and the pins that say which of them are trusted."""
