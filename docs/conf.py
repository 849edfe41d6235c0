"""Sphinx: `make docs` builds these pages into docs/_build/html, warnings being errors."""

from __future__ import annotations

import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from _extension.links import repository  # noqa: E402

import rdzv_core  # noqa: E402 - the version is that of what is documented

project = "rdzv"
author = "The rdzv authors"
copyright = author  # noqa: A001 - Sphinx's name
release = version = rdzv_core.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton", "_extension"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "_extension", "certificates/*/report.md"]

myst_enable_extensions = ["attrs_inline", "deflist", "substitution"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]  # the certificates are made by another tool, and begin below the first level

html_theme = "furo"
html_title = "rdzv"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_show_sphinx = False
html_copy_source = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b5cad", "color-brand-content": "#0b5cad"},
    "dark_css_variables": {"color-brand-primary": "#6cb6ff", "color-brand-content": "#6cb6ff"},
}
pygments_style = "default"
pygments_dark_style = "github-dark"

copybutton_exclude = ".linenos, .gp, .go"
copybutton_selector = "div:not(.highlight-output):not(.highlight-text) > div.highlight > pre"

smartquotes = False  # a command has -- and "
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True}
autodoc_preserve_defaults = True
add_module_names = False
nitpicky = False

linkcheck_anchors = False
# Files of this repository: a test holds that they are there, and the forge has them once they are published.
linkcheck_ignore = [re.escape(repository(HERE.parent)) + "/blob/main/"]
