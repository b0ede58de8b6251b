"""A gallery on a Milvus server: its index, how it is created and opened, and copies from and to folders."""
