"""Rules over the journal's tail: facts in, alerts out. Judges; never acts."""
