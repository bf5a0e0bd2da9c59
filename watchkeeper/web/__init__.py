"""The console: shows and asks, decides nothing. It receives its services from `app`."""
