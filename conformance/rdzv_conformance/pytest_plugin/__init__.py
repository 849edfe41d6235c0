"""The suite under pytest: the class to derive from, and the plugin's hooks."""
