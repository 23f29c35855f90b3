"""Pages and documents: everything that is pure about turning web archives into interleaved documents."""

__version__ = "0.1.0"
