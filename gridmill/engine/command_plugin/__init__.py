"""Stand-in for the plugin behind pulumi-command, for machines that cannot download the official one."""
