"""The one place that holds the version, and the versions of installed packages."""

__version__ = "0.1.0"


def installed_version(package: str) -> str | None:
    """The version of a package; None if it is not installed."""
    from importlib.metadata import PackageNotFoundError, version  # here, as every import of semelha reads this module

    try:
        return version(package)
    except PackageNotFoundError:
        return None
