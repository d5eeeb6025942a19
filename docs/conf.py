"""How the site is built: Markdown (MyST), docstrings where they are the reference, nothing fetched."""

import fulmen

project = "fulmen"
author = "The fulmen developers"
copyright = author
version = release = fulmen.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
suppress_warnings = ["myst.strikethrough"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
# Attributes stand in the class's text; listing them once more as members would give each two entries.
napoleon_use_ivar = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = f"fulmen {version}"
html_show_sphinx = False
