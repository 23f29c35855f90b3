"""A page of the late nineties: tables for layout, FONT, BASE HREF, spacers, upper case, few closing tags."""

from __future__ import annotations

from obelics_pipeline.sample.content import Article, Block, Site
from obelics_pipeline.sample.layouts.markup import attr, head, inline, links, source, write

FONT = '<FONT FACE="Verdana, Arial" SIZE="2">'


def paragraph(block: Block) -> str:
    """A paragraph that is never closed."""
    return f"<P>{FONT}{inline(block.text)}</FONT>"


def heading(block: Block) -> str:
    """A title that is only large and bold."""
    return f'<P><FONT FACE="Verdana" SIZE="4" COLOR="#003366"><B>{inline(block.text)}</B></FONT><BR>'


def picture(block: Block) -> str:
    """A picture centred in a table of its own, its caption in the row below."""
    width, height = block.picture.size
    return (
        "<CENTER><TABLE BORDER=0 CELLPADDING=4><TR><TD ALIGN=center>"
        f'<IMG SRC="{source(block.picture.file, "pics/")}" WIDTH={width} HEIGHT={height} BORDER=0'
        f' ALT="{attr(block.picture.alt)}"></TD></TR><TR><TD ALIGN=center><FONT SIZE="1"><I>'
        f"{inline(block.picture.caption)}</I></FONT></TD></TR></TABLE></CENTER>"
    )


def table(block: Block) -> str:
    """A table of data, drawn with lines."""
    rows = "\n".join(
        "<TR>" + "".join(f"<TD>{FONT}{inline(cell)}</FONT>" for cell in row) for row in block.rows
    )
    return f"<TABLE BORDER=1 CELLSPACING=0 CELLPADDING=3>\n{rows}\n</TABLE>"


def page(site: Site, article: Article) -> str:
    """A page of the club."""
    writers = {"paragraph": paragraph, "heading": heading, "image": picture, "table": table}
    lead = f'<CENTER><IMG SRC="{source(article.lead.file, "pics/")}" ALT=""></CENTER>' if article.lead else ""
    return f"""<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN">
<HTML>
<HEAD>
{head(site, article)}
<BASE HREF="http://{site.host}/club/">
</HEAD>
<BODY BGCOLOR="#FFFFFF" TEXT="#000000" LINK="#003399" BACKGROUND="pics/stars-paper-200x200.gif">
<CENTER>
<TABLE WIDTH=760 BORDER=0 CELLSPACING=0 CELLPADDING=0>
<TR><TD COLSPAN=3 BGCOLOR="#000033"><IMG SRC="pics/stars-banner-760x90.gif" WIDTH=760 HEIGHT=90 ALT="{site.name}"></TD></TR>
<TR><TD WIDTH=140 VALIGN=top BGCOLOR="#DDDDEE"><FONT FACE="Verdana" SIZE="1">
{links(site.menu, "", "<BR>")}<P>{inline(site.tagline)}<P>You are visitor<BR><IMG SRC="pics/icon-16x16.png" ALT="0"></FONT></TD>
<TD WIDTH=10><IMG SRC="/media/pixel.gif" WIDTH=10 HEIGHT=1 ALT=""></TD>
<TD WIDTH=610 VALIGN=top>
<H1><FONT FACE="Verdana" COLOR="#003366">{inline(article.head.title)}</FONT></H1>
<FONT SIZE="1">{article.head.author}, {article.head.date:%d.%m.%Y}</FONT><HR>
{lead}
{write(article.blocks, writers)}
<HR><FONT SIZE="1"><A HREF="index.html">Back to the index</A> | {inline(site.about)}</FONT>
</TD></TR></TABLE>
</CENTER>
</BODY>
</HTML>
"""
