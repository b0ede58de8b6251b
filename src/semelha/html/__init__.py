"""HTML reports in one file: the page around them and pictures as thumbnails."""

from semelha.html.page import figure, write_page

__all__ = ["figure", "write_page"]
