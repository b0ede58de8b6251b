"""The documentation; `python -m docs.site` builds the site of it."""
