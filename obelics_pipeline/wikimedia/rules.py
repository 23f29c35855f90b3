"""What stands on the pages of a wiki beside its articles, as data."""

from __future__ import annotations

from typing import Final

LEFT_OUT: Final = (
    # references, and what refers to them
    ".reflist", ".refbegin", "ol.references", ".mw-references-wrap", "sup.reference", ".mw-cite-backlink",
    # navigation: boxes of links, contents, categories, other projects
    ".navbox", ".vertical-navbox", ".navbar", ".sidebar", ".toc", ".catlinks", ".portal-bar", ".portalbox",
    ".sistersitebox", ".side-box", ".succession-box", ".authority-control", "[role~=navigation]",
    # notes to readers and editors
    ".hatnote", ".dablink", ".rellink", "[role~=note]", ".ambox", ".tmbox", ".ombox", ".cmbox", ".asbox",
    ".metadata", ".noprint", ".shortdescription", ".mw-editsection", ".error",
    # coordinates of the whole article and in a second notation, and maps with a dot on them
    "#coordinates", ".geo-nondefault", ".geo-multi-punct", ".locmap",
    ".mw-empty-elt",
)  # fmt: skip
"""Selectors of what is none of the article: classes that MediaWiki sets itself, or that templates have in many
languages because they were copied from wiki to wiki."""

_ENGLISH: Final = (
    "notes", "references", "see also", "further reading", "external links", "external link", "citations", "footnotes",
    "sources", "works cited", "notes and references", "references and notes", "explanatory notes", "general references",
    "general and cited references", "notes and citations",
)  # fmt: skip

ENDINGS: Final[dict[str, frozenset[str]]] = {
    code: frozenset(headings)
    for code, headings in {
        "en": _ENGLISH,
        "simple": (*_ENGLISH, "related pages", "other websites"),
        "de": ("einzelnachweise", "weblinks", "siehe auch", "literatur", "anmerkungen", "fußnoten", "quellen"),
        "es": ("referencias", "notas", "notas y referencias", "véase también", "enlaces externos", "bibliografía"),
        "fr": ("notes et références", "notes", "références", "voir aussi", "articles connexes", "lien externe",
               "liens externes", "bibliographie", "annexes"),
        "it": ("note", "bibliografia", "voci correlate", "altri progetti", "collegamenti esterni"),
        "ja": ("脚注", "出典", "注釈", "参考文献", "関連項目", "外部リンク"),
        "nl": ("bronnen", "referenties", "noten", "voetnoten", "literatuur", "zie ook", "externe link",
               "externe links"),
        "pl": ("przypisy", "uwagi", "bibliografia", "zobacz też", "linki zewnętrzne"),
        "pt": ("referências", "notas", "notas e referências", "ver também", "ligações externas", "bibliografia"),
        "ru": ("примечания", "комментарии", "источники", "литература", "см. также", "ссылки"),
        "sv": ("noter", "fotnoter", "referenser", "källor", "litteratur", "se även", "externa länkar"),
        "uk": ("примітки", "джерела", "література", "див. також", "посилання"),
        "zh": ("注释", "註釋", "参考文献", "參考文獻", "参考资料", "參考資料", "延伸阅读", "延伸閱讀", "参见", "參見",
               "外部链接", "外部連結"),
    }.items()
}  # fmt: skip
"""Headings, in lower case, of the sections that follow an article, by the language of the wiki. "Bibliography" is
not among the English ones: there it mostly lists what a person has written."""
