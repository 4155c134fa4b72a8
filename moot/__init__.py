"""The program: command line, configuration, supervisor. The one package that knows all the others."""

__version__ = "0.1.0"
