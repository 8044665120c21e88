"""What the files of a deployment say, and whether they say the same."""
