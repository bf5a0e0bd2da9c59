"""The guard: edges, exchanges, pipeline, pools, orders in force. Facts go up through the journal only."""
