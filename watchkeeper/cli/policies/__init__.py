"""The commands of `watchkeeper policy` that try policies out: one module a command, the group is `cli.policy`."""
