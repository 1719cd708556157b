"""The Pulumi program: the site that this stack defines, planned and brought up."""

from components import declare_site

declare_site()
