"""Whether logs are as they were signed, and proofs of single events for others."""
