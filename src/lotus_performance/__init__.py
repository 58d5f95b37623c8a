"""Portfolio performance analytics: time-weighted and money-weighted returns over REST."""

from importlib.metadata import version

__version__ = version("lotus-performance")
