"""Find errors in a gallery and group unknown pictures into subjects that can be enrolled."""
