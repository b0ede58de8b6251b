"""Bulk embedding: pictures of folders and of object storage become a Parquet file of vectors, resumable.

Importing this package needs neither pyarrow nor Ray: the functions do (the extras `parquet` and `ray`).
"""

from semelha.bulk.embed_files import ENGINES, EmbeddedFiles, embed_files
from semelha.bulk.places import RemotePicture, read_places
from semelha.bulk.vector_file import VectorBatch, VectorFile

__all__ = ["ENGINES", "EmbeddedFiles", "RemotePicture", "VectorBatch", "VectorFile", "embed_files", "read_places"]
