"""Alerts become incidents, incidents run playbooks, playbooks give orders and verify them."""
