"""Alerts, wired: what is known of their subjects, what makes them, who fills their queue, and the acts about them."""
