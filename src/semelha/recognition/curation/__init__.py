"""Find mislabeled examples, duplicates, outliers and subjects to merge or split, and cluster unknown pictures.

Functions of vectors, neighbors and labels; `semelha.gallery.curation` applies them to a gallery.
"""
