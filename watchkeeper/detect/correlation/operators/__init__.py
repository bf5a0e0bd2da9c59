"""The operators of correlation: pure, incremental, fed in the order of event time; `interface` defines them."""
