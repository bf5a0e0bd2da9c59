"""Where clients' bytes come in and answers go out. No meaning, no decisions about messages."""
