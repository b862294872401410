"""The site's settings: `make docs` builds it into build/docs."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

from ramet import _core

project = "Ramet"
author = "the Ramet authors"
copyright = "the Ramet authors. Apache License 2.0"
version = release = _core.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "mathml",
    "pictures",
    "tables",
]
exclude_patterns = ["requirements.txt", "decisions/0000-template.md"]
default_role = "py:obj"
suppress_warnings = ["config.cache"]

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "attrs_inline"]
myst_heading_anchors = 3
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

toc_object_entries_show_parents = "hide"
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say the types
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

html_theme = "pydata_sphinx_theme"
html_title = "Ramet"
html_static_path = ["static"]
html_css_files = ["ramet.css"]
html_math_renderer = "mathml"
html_show_sourcelink = False
html_copy_source = False
html_sidebars = {"changelog": [], "differences": [], "getting-started": []}
html_theme_options = {
    "navbar_align": "left",
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "header_links_before_dropdown": 6,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}


def plain_text_for_scikit_learn(app, env, node, contnode):
    """What scikit-learn's own docstrings refer to is on scikit-learn's site: here it is text."""
    return contnode if env.docname.startswith("reference/") and node.get("reftype") == "ref" else None


def setup(app):
    app.connect("missing-reference", plain_text_for_scikit_learn)
