"""What several events mean together: counts, values, orders, and what stays away. `model` is the data of it."""
