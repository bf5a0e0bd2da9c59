"""How baselines learn: one state for each subject, small, decaying, fed call by call."""
