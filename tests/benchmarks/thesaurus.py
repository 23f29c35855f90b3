"""Synonyms: of WordNet, and those that spinners like most."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from random import Random
from zlib import crc32

LOOSE = 12  # wider words and their other narrower ones that pass for synonyms of a word
ENDINGS = {"noun": ("", "s"), "verb": ("", "s", "ed", "ing")}
_VOWELS = frozenset("aeiou")


class Thesaurus:
    """Synonyms from the files of WordNet 3.0 (Debian package ``wordnet-base``), with inflections as far as spinners go.

    Args:
        folder: the folder with ``data.noun``, ``verb.exc`` and their like.
        known: words that may be put into a text (others are too rare for any spinner); None for all.
    """

    def __init__(self, folder: Path, known: frozenset[str] | None) -> None:
        self.synonyms: dict[tuple[str, str], list[str]] = defaultdict(list)
        self.forms: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
        for part in ("noun", "verb", "adj", "adv"):
            self._read(folder / f"data.{part}", part, known)
        irregular: dict[str, str] = {}
        for line in (folder / "verb.exc").read_text().splitlines():
            form, lemma = line.split()[:2]
            if not form.endswith("ing"):
                irregular.setdefault(form, lemma)
        self.past = {lemma: form for form, lemma in irregular.items()}
        for word, part in list(self.synonyms):
            for ending in ENDINGS.get(part, ("",)):
                form = self.inflect(word, ending)
                self.forms[form].append((word, part, ending))
        for form, lemma in irregular.items():
            if (lemma, "verb") in self.synonyms:
                self.forms[form].append((lemma, "verb", "ed"))

    def _read(self, path: Path, part: str, known: frozenset[str] | None) -> None:
        sets: dict[str, list[str]] = {}
        wider: dict[str, list[str]] = {}
        for line in path.read_text().splitlines():
            if line.startswith("  "):
                continue
            fields = line.split(" ")
            count = int(fields[3], 16)
            names = [fields[4 + 2 * i].split("(")[0].replace("_", " ") for i in range(count)]
            sets[fields[0]] = [name for name in names if known is None or known.issuperset(name.split())]
            pointers = fields[5 + 2 * count :]
            wider[fields[0]] = [
                to for sign, to in zip(pointers[::4], pointers[1::4], strict=False) if sign in "&@"
            ]
        narrower: dict[str, list[str]] = defaultdict(list)
        for number, above in wider.items():
            for to in above:
                narrower[to].append(number)
        some = {to: numbers[:: 1 + len(numbers) // 6] for to, numbers in narrower.items()}
        for number, names in sets.items():
            near = wider[number] + [other for to in wider[number] for other in some[to] if other != number]
            loose = [other for to in near for other in sets.get(to, ())]
            loose = sorted(loose, key=lambda other: crc32(f"{number} {other}".encode()))[:LOOSE]
            for name in names:
                if " " not in name:
                    found = [other for other in 2 * names + loose if other != name]
                    self.synonyms[name, part].extend(found)

    def inflect(self, word: str, ending: str) -> str:
        """``word`` with ``ending`` (nothing, ``s``, ``ed`` or ``ing``); of several words the first one has it."""
        head, _, rest = word.partition(" ")
        if ending == "ed" and head in self.past:
            form = self.past[head]
        elif ending and ending != "s" and head.endswith("e"):
            form = head[:-1] + ending if not (ending == "ing" and head.endswith("ee")) else head + ending
        elif ending in ("s", "ed") and head.endswith("y") and head[-2:-1] not in _VOWELS:
            form = head[:-1] + ("ies" if ending == "s" else "ied")
        elif ending == "s" and head.endswith(("s", "x", "ch", "sh")):
            form = head + "es"
        else:
            form = head + ending
        return f"{form} {rest}".rstrip()

    def swap(self, word: str, random: Random, careless: float) -> str | None:
        """A synonym of the lower-cased ``word`` in its form; with chance ``careless`` in another form."""
        found = [entry for entry in self.forms.get(word, ()) if self.synonyms[entry[0], entry[1]]]
        if not found:
            return None
        lemma, part, ending = random.choice(found)
        if random.random() < careless:
            ending = random.choice(ENDINGS.get(part, ("",)))
        return self.inflect(random.choice(self.synonyms[lemma, part]), ending)


def favourites() -> dict[str, list[str]]:
    """Common words with what spinners like to put for them."""
    rows = [line.split("|") for line in Path(__file__).with_name("swaps.txt").read_text().splitlines()]
    return {row[0]: row[1:] for row in rows}
