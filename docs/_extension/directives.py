"""The directives `rdzv-commands` and `rdzv-options`: Markdown that is made from the source while the site is built."""

from __future__ import annotations

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

from _extension.commands import commands_page
from _extension.options import options_table


class _Made(SphinxDirective):
    """A directive that stands for Markdown."""

    def parsed(self, lines: list[str]) -> list[nodes.Element]:
        """Return the nodes that `lines` amount to."""
        made = nodes.section()
        made.document = self.state.document
        source = StringList(lines, self.env.doc2path(self.env.docname))
        self.state.nested_parse(source, self.content_offset, made, match_titles=True)
        return [each for each in made.children if isinstance(each, nodes.Element)]


class CommandsDirective(_Made):
    """Every command of `rdzv` with its help and options."""

    def run(self) -> list[nodes.Element]:
        """Return the commands' sections."""
        return self.parsed(commands_page())


class OptionsDirective(_Made):
    """The table of options of the handler, or of a backend by name."""

    required_arguments = 1

    def run(self) -> list[nodes.Element]:
        """Return the table."""
        made = self.parsed(options_table(self.arguments[0]))
        for table in made:
            table["classes"].append("options")
        return made
