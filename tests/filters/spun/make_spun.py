# ruff: noqa: SIM905
"""Make spun.jsonl from genuine.jsonl and the hand-written synonym.txt.

Run `python make_spun.py`: it needs the standard library alone and gives the same file each time, as
each row has a random generator of its own, seeded by its id. README.md says what the kinds are.
"""

import itertools
import json
import random
import re
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).parent
KINDS = {1: "synonym", 2: "salad", 0: "shuffled"}  # by the number of a row, modulo 3
MARKED = re.compile(r"\[([^|\]]+)\|([^|\]]+)\]")
PLAIN = frozenset(
    """a an the this that these those and or but nor so yet if than then as because while when where who which what
    how why of in on at by for with from to into onto over under up down out off about after before until since
    through between along around against during without within near is are was were be been being am has have had
    having do does did done doing will would can could may might must shall should not no never nothing nobody
    it its i me my mine you your yours he him his she her hers we us our ours they them their theirs there here
    all any both each every either neither some one two three four five six seven eight nine ten more most much
    many less least few very too just only even also again still now ever once same such other another own
    else back away like that's it's i'm i've you're you've you'll he's she's we're we've they're they've don't
    doesn't didn't isn't aren't wasn't weren't won't can't couldn't hadn't haven't i'd i'll he'd she'd they'll
    there's what's it'll you'd we'd wouldn't shouldn't let's whose whom myself himself herself itself themselves
    though although whether nearly almost quite rather mostly""".split()
)
NAMES = frozenset(  # names seen only at the start of a sentence
    """Bexley Billie Dorr's Emeric Hobbins Ilka Ines Isidora Jack Kestrel Lal Lwazi Marit Mbeki Mr Northlight
    Ottoline Pasquale Solvane Sorensen Streptomyces Teodor Torvik Wilhelmina""".split()
)
LINKS = frozenset(
    "and but or so because while who which where when if then than until since before after".split()
)
STEPS = LINKS | frozenset(
    "of in on at by for with from to into over under as through about like between".split()
)
MARKS = re.compile(r"^[\"“”'(]+|[\"“”').,;:!?]+$")
TAIL = re.compile(r"[.,;:!?]+$")
STOPS = re.compile(r"[.!?]+[\"”)]*$")


def core(word: str) -> str:
    return MARKS.sub("", word)


def upper(text: str) -> str:
    """The first letter large."""
    return re.sub(r"[^\W\d_]", lambda m: m[0].upper(), text, count=1) if text[:1].islower() else text


def tame(text: str, names: set[str]) -> list[str]:
    """The words without quotes and brackets, and small at the start of a sentence unless they are names."""
    words = re.sub(r"[\"“”()`*]|(?<= )[–—] ", "", re.sub(r"(?<=\w)\((?=\w)", " ", text)).split()
    out, first = [], True
    for word in words:
        plain = core(word)
        is_name = plain in names or re.match(r"I(\W|$)", plain) or not plain[1:].islower()
        out.append(word if not first or (is_name and plain != "A") else word[:1].lower() + word[1:])
        first = bool(STOPS.search(word))
    return out


def find_names(texts: list[str]) -> set[str]:
    """Words large inside a sentence somewhere, and never small anywhere."""
    large, small = set(), set()
    for text in texts:
        words = text.split()
        for before, word in itertools.pairwise(words):
            plain = core(word)
            if plain[:1].isupper() and not STOPS.search(before) and not word.startswith(("“", '"')):
                large.add(plain)
        small.update(core(word) for word in words if core(word)[:1].islower())
    return NAMES | {word for word in large if word.lower() not in small and word.lower() not in PLAIN}


def content_words(text: str, names: set[str]) -> list[str]:
    """The words that carry sense and may be swapped: no little words, names or numbers."""
    words = [core(word) for word in re.split(r"[\s–—]+", text)]
    return [
        word
        for word in words
        if re.search(r"[^\W\d_]", word)
        and word.lower() not in PLAIN
        and word not in names
        and not re.search(r"\d", word)
    ]


def swapped(words: list[str], rng: random.Random) -> str:
    """Content words trade places; the little words and the marks stay where they are."""
    places = [i for i, word in enumerate(words) if core(word).lower() not in PLAIN]
    order = places[:]
    rng.shuffle(order)
    out = words[:]
    for here, there in zip(places, order, strict=False):
        tail = TAIL.search(words[here])
        out[here] = TAIL.sub("", words[there]) + (tail[0] if tail else "")
    return sentences_large(out)


def sentences_large(words: list[str]) -> str:
    out, first = [], True
    for word in words:
        out.append(upper(word) if first else word)
        first = bool(STOPS.search(word))
    return " ".join(out)


def crumbs(words: list[str], rng: random.Random) -> str:
    """Pieces of one to three words in random order; a full stop each nine to twenty words."""
    bits, at = [], 0
    while at < len(words):
        size = rng.choice((1, 2, 2, 3, 3))
        bits.append([TAIL.sub("", word) for word in words[at : at + size]])
        at += size
    rng.shuffle(bits)
    flat = [word for bit in bits for word in bit if word]
    out = []
    while flat:
        size = rng.randint(9, 20)
        size = len(flat) if len(flat) - size < 5 else size
        out.append(upper(" ".join(flat[:size])) + ".")
        flat = flat[size:]
    return " ".join(out)


def markov(paragraphs: list[list[str]], length: int, rng: random.Random) -> str:
    """Each word follows its neighbour somewhere in the hundred paragraphs: order one."""
    after = defaultdict(list)
    for words in paragraphs:
        for word, following in itertools.pairwise(words):
            after[word].append(following)
    walk = [rng.choice(paragraphs)[0]]
    while len(walk) < length:
        walk.append(rng.choice(after[walk[-1]] or [words[0] for words in paragraphs]))
    return TAIL.sub("", sentences_large(walk)) + "."


def pieces(words: list[str], links: frozenset[str], least: int) -> list[list[str]]:
    """Cut after marks, and before links once a piece has `least` words."""
    out, now = [], []
    for word in words:
        if now and len(now) >= least and core(word).lower() in links:
            out.append(now)
            now = []
        now.append(TAIL.sub("", word))
        if STOPS.search(word) or (TAIL.search(word) and len(now) >= least):
            out.append(now)
            now = []
    return [*out, now] if now else out


def joined(parts: list[list[str]], rng: random.Random) -> str:
    """Two to four pieces to a sentence, with a comma between some of them."""
    out, at = [], 0
    while at < len(parts):
        size = rng.choice((2, 2, 3, 4))
        text = ""
        for part in parts[at : at + size]:
            text += (rng.choice((" ", " ", ", ")) if text else "") + " ".join(part)
        out.append(upper(text) + ".")
        at += size
    return " ".join(out)


def clauses(words: list[str], rng: random.Random) -> str:
    parts = pieces(words, LINKS, 3)
    order = list(range(len(parts)))
    while sum(b == a + 1 for a, b in itertools.pairwise(order)) > len(parts) // 10:
        rng.shuffle(order)
    return joined([parts[i] for i in order], rng)


def mixed(words: list[str], other: list[str], rng: random.Random) -> str:
    """Phrases of the paragraph with a third of the whole from another one."""
    parts, strange = pieces(words, STEPS, 2), pieces(other, STEPS, 2)
    count = min(len(parts) // 3, len(strange))
    parts = rng.sample(parts, len(parts) - count) + rng.sample(strange, count)
    rng.shuffle(parts)
    return joined(parts, rng)


def main() -> None:
    genuine = [json.loads(line) for line in (HERE / "genuine.jsonl").read_text("utf-8").splitlines()]
    by_hand = dict(line.split("\t", 1) for line in (HERE / "synonym.txt").read_text("utf-8").splitlines())
    names = find_names([row["text"] for row in genuine])
    words = [tame(row["text"], names) for row in genuine]
    with (HERE / "spun.jsonl").open("w", encoding="utf-8") as out:
        for i, row in enumerate(genuine):
            number, rng = i + 1, random.Random("blind-" + row["id"])
            kind, turn = KINDS[number % 3], number // 3
            if kind == "synonym":
                assert MARKED.sub(r"\1", by_hand[row["id"]]) == row["text"]
                text = MARKED.sub(r"\2", by_hand[row["id"]])
            elif kind == "salad" and turn % 3 == 2:
                text = markov(words, len(words[i]), rng)
            elif kind == "salad":
                text = (swapped, crumbs)[turn % 3](words[i], rng)
            elif turn % 2:
                text = clauses(words[i], rng)
            else:
                text = mixed(words[i], words[(i + 57) % 100], rng)
            record = {"id": f"s{number:03}", "kind": kind, "text": text}
            out.write(json.dumps(record, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
