"""The paper that a network family is from, stated beside its class."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Citation:
    """A paper, as BibTeX has it.

    Attributes:
        key: Key of the BibTeX entry.
        title: Title of the paper.
        authors: Names, given names first; empty where they are not known here.
        year: Year of publication.
        venue: Journal or proceedings; empty for a preprint.
        journal: Whether the venue is a journal.
        volume: Volume of the journal.
        number: Issue of the volume.
        pages: Pages, or the number of the article.
        doi: Digital object identifier.
        arxiv: Number on arXiv.
        link: Address in the proceedings, where neither of these is known.

    Example:
        >>> paper = Citation(key="net2026", title="A Net", authors=("A. Author",), year=2026)
        >>> print(paper.bibtex())
        @misc{net2026,
          title = {{A Net}},
          author = {A. Author},
          year = {2026},
        }
    """

    key: str
    title: str
    year: int
    authors: tuple[str, ...] = ()
    venue: str = ""
    journal: bool = False
    volume: str = ""
    number: str = ""
    pages: str = ""
    doi: str = ""
    arxiv: str = ""
    link: str = ""

    @property
    def url(self) -> str:
        """Address of the paper: on arXiv, where everybody can read it, or by its DOI or link."""
        if self.arxiv:
            return f"https://arxiv.org/abs/{self.arxiv}"
        return f"https://doi.org/{self.doi}" if self.doi else self.link

    def bibtex(self) -> str:
        """Return the BibTeX entry."""
        kind = ("article" if self.journal else "inproceedings") if self.venue else "misc"
        fields = {
            # The second pair of braces keeps the capitals of the networks' names.
            "title": f"{{{self.title}}}",
            "author": " and ".join(self.authors),
            "journal" if self.journal else "booktitle": self.venue,
            "volume": self.volume,
            "number": self.number,
            "pages": self.pages,
            "year": str(self.year),
            "doi": self.doi,
            "url": self.link,
            "eprint": self.arxiv,
            "archivePrefix": "arXiv" if self.arxiv else "",
        }
        lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
        return "\n".join([f"@{kind}{{{self.key},", *lines, "}"])
