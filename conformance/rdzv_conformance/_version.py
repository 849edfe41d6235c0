"""The version of this distribution, where every module may import it."""

VERSION = "0.1.0"
