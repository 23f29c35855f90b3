from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import pytest

from beam_jobs.config import Config, load, section_hash, shipped
from filters.language import shipped_model
from filters.text import WordCount
from obelics_pipeline.errors import ConfigError


@pytest.fixture
def write(tmp_path: Path):
    def write(content: str | bytes) -> str:
        path = tmp_path / "x.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


DOCUMENT = "filter: {document: {%s}}"

MISTAKES = [
    pytest.param("", "empty", id="empty file"),
    pytest.param("# nothing but a comment", "empty", id="only a comment"),
    pytest.param("- filter", "['filter'] is no mapping", id="a list"),
    pytest.param("3", "3 is no mapping", id="a number"),
    pytest.param("a: b: c", "not YAML: line 1, column 5", id="not YAML"),
    pytest.param(b"\xff\xfe\xfa", "not YAML", id="not text"),
    pytest.param("{}\n---\n{}", "not YAML", id="two documents"),
    pytest.param("1: {}", "the key 1 is no word", id="a number as key"),
    pytest.param("? [a]\n: b", "not YAML: line 1, column 3: found unhashable key", id="a list as key"),
    pytest.param(
        "fitler: {}",
        "no section 'fitler'; did you mean 'filter'? known: assemble, consent, cost, dedup, ",
        id="section",
    ),
    pytest.param("filter: 3", "filter: 3 is no mapping", id="section is a number"),
    pytest.param(
        "consent: {signals: {noia: keep}}",
        "consent.signals: no key 'noia'; did you mean 'noai'? known: ",
        id="signal",
    ),
    pytest.param(
        "consent: {signals: {noai: drop_images}}",
        "consent.signals.noai: no action 'drop_images'; did you mean 'drop_image'? known: ",
        id="action",
    ),
    pytest.param(
        "consent: {agents: [bot/1.0]}",
        "consent: 'bot/1.0' is no name of an agent; write letters",
        id="agent with a version",
    ),
    pytest.param("consent: {as_of: soon}", "consent.as_of is 'soon'; ", id="no day"),
    pytest.param(
        "consent: {spawning: {endpoint: 'http://a.example/'}}",
        "consent.spawning: endpoint is 'http://a.example/'; the key would be readable",
        id="service without encryption",
    ),
    pytest.param(
        "filter: {documents: {}}",
        "filter: no key 'documents'; did you mean 'document'? known: document, image, paragraph, ",
        id="level",
    ),
    pytest.param(
        DOCUMENT % "word_cuont: {min: 1}",
        "filter.document: no rule 'word_cuont'; did you mean 'word_count'? known: ",
        id="rule",
    ),
    pytest.param(
        "filter: {paragraph: {image_count: {min: 1}}}",
        "filter.paragraph: no rule 'image_count'; ",
        id="rule of another level",
    ),
    pytest.param(
        DOCUMENT % "word_count: {mim: 1}",
        "filter.document.word_count: no key 'mim'; did you mean 'min'? known: max, min",
        id="limit",
    ),
    pytest.param(
        DOCUMENT % "word_count: [1, 2]", "filter.document.word_count: [1, 2] is no mapping", id="no limits"
    ),
    pytest.param(DOCUMENT % "word_count:", "filter.document.word_count: no limit given", id="no limit"),
    pytest.param(DOCUMENT % "language:", "filter.document.language: 'accept' is missing", id="missing limit"),
    pytest.param(
        DOCUMENT % "word_count: {min: four}",
        "filter.document.word_count.min is 'four'; expected",
        id="word as number",
    ),
    pytest.param(
        DOCUMENT % "word_count: {min: true}", "filter.document.word_count.min is True", id="true as number"
    ),
    pytest.param(
        DOCUMENT % "word_count: {min: 5, max: 3}",
        "filter.document.word_count: min is 5 and max is 3; min may not be greater than max",
        id="min above max",
    ),
    pytest.param(
        DOCUMENT % "word_count: {max: .nan}", "filter.document.word_count: a limit is a finite", id="nan"
    ),
    pytest.param(
        DOCUMENT % "word_count: {min: 1},\n word_count: {min: 2}",
        "filter.document: 'word_count' stands in line 1 and again in line 2; keep one",
        id="repeated rule",
    ),
    pytest.param(
        "filter: {}\nfilter: {}", "'filter' stands in line 1 and again in line 2", id="repeated section"
    ),
    pytest.param(
        DOCUMENT % "language: {accept: en}", "filter.document.language.accept is 'en'", id="not a list"
    ),
    pytest.param(
        DOCUMENT % "language: {accept: [eng]}",
        "filter.document.language: accept: no language 'eng'; did you mean 'en'?",
        id="language code",
    ),
    pytest.param(
        DOCUMENT % "language: {accept: [en], min_score: 2}",
        "filter.document.language.min_score is 2; expected `float` <= 1.0",
        id="score above 1",
    ),
    pytest.param(
        DOCUMENT % "language: {accept: [en], model: /no/lid.bin}",
        "filter.document.language: model: no file '/no/lid.bin'",
        id="missing model",
    ),
    pytest.param(
        DOCUMENT % "stopwords: {min: 30}",
        "filter.document.stopwords: min is 30; a share is from 0 to 1",
        id="percent",
    ),
    pytest.param(
        DOCUMENT % "word_repetition: {max: 0.2, ngram: 0}",
        "filter.document.word_repetition.ngram is 0; expected `int` >= 1",
        id="n-gram of nothing",
    ),
    pytest.param(
        DOCUMENT % "stopwords: {min: 0.3}",
        "filter.document.stopwords: no list of words; name a text.language, or your list as text.stopwords",
        id="list without a language",
    ),
    pytest.param(
        "assemble: {paragraph: {spam_words: {max: 0.1}}}",
        "assemble.paragraph.spam_words: no list of words",
        id="list without a language in another section",
    ),
    pytest.param(
        "text: {language: eng}",
        "text: language: no language 'eng'; did you mean 'en'? known: ",
        id="language",
    ),
    pytest.param(
        "text: {language: en, stopwords: /no/list.txt}",
        "text: stopwords: no file '/no/list.txt'",
        id="missing list",
    ),
    pytest.param("text: {stopword: a.txt}", "text: no key 'stopword'; did you mean 'stopwords'?", id="list"),
    pytest.param(
        "text: {language: en}\n" + DOCUMENT % "common_words: {min: 0.9, max: 0.8}",
        "filter.document.common_words: min is 0.9 and max is 0.8; min may not be greater than max",
        id="min above max of a share",
    ),
    pytest.param(
        "filter: {paragraph: {word_count: {min: 1, spare: [headign]}}}",
        "filter.paragraph.word_count.spare: no kind of text 'headign'; did you mean 'heading'? known: ",
        id="kind of text",
    ),
    pytest.param(
        "filter: {sample_share: 2}", "filter.sample_share is 2; expected `float` <= 1.0", id="share"
    ),
    pytest.param("extract: {main_content: yes}", "extract.main_content is 'yes'; expected `bool`", id="yes"),
    pytest.param(
        "images: {user_agnet: x}", "images: no key 'user_agnet'; did you mean 'user_agent'?", id="option"
    ),
    pytest.param(
        "images: {fetcher: img2data}", "images.fetcher is 'img2data'; write builtin or img2d", id="engine"
    ),
    pytest.param(
        "images: {img2dataset: {processes: 0}}",
        "images.img2dataset: processes is 0; it has to be 1",
        id="processes",
    ),
    pytest.param("images: {connect_timeout: -1}", "images: connect_timeout is -1", id="negative time"),
    pytest.param(
        "dedup: {url: {keep: newest}}", "dedup.url: no key 'keep'", id="option of a rule without any"
    ),
    pytest.param(
        "dedup: {keep: latest}",
        "dedup.keep is 'latest'; write newest or oldest or longest",
        id="no such word",
    ),
    pytest.param(
        "assemble: {image: {format: {accept: [jpg]}}}",
        "assemble.image.format: accept: no format 'jpg'; did you mean 'jpeg'?",
        id="format",
    ),
    pytest.param(
        "export: {shard_bytes: 0}", "export.shard_bytes is 0; expected `int` >= 1", id="size of nothing"
    ),
    pytest.param("filter: &a {document: *a}", "filter.document: no rule 'document'", id="an alias of itself"),
]


@pytest.mark.parametrize(("content", "message"), MISTAKES)
def test_a_mistake_is_told_with_its_place(write, content: str | bytes, message: str) -> None:
    path = write(content)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        pytest.param(
            "defualt",
            "no such file, and no shipped configuration 'defualt'; did you mean 'default'?",
            id="name",
        ),
        pytest.param("nowhere/x.yaml", "no such file", id="path"),
    ],
)
def test_a_configuration_that_is_not_there(source: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(source)
    assert str(caught.value).startswith(f"{source}: {message}")


def test_a_folder_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(str(tmp_path))


def test_sections_not_written_or_empty_have_their_defaults(write) -> None:
    assert load(write("{}")) == Config()
    assert load(write("filter:\nextract: {}\nimages:")) == Config()
    assert not Config().filter.document
    assert Config().dedup.url is None


def test_rules_are_on_by_name_and_in_the_order_written(write) -> None:
    config = load(write("dedup: {url: }\nfilter: {document: {word_count: {min: 1}, image_count: {max: 3}}}"))
    assert config.filter.document.names == ("word_count", "image_count")
    assert config.filter.document.rules["word_count"] == WordCount(min=1)
    assert config.dedup.url is not None


def test_the_language_no_is_a_word(write) -> None:
    rules = load(write(DOCUMENT % "language: {accept: [en, no]}")).filter.document.rules
    assert rules["language"].accept == ("en", "no")


def test_kinds_can_be_spared(write) -> None:
    config = load(write("filter: {paragraph: {word_count: {min: 4, spare: [heading, code]}}}"))
    assert config.filter.paragraph.spare == {"word_count": ("heading", "code")}


@pytest.mark.parametrize("name", shipped())
def test_shipped_configurations_are_usable(name: str) -> None:
    config = load(name)
    assert config.filter.document
    assert config.assemble.image
    assert config.dedup.url is not None
    assert pickle.loads(pickle.dumps(config)) == config
    assert load(str(Path(__file__).parents[2] / "configs" / f"{name}.yaml")) == config


def test_the_configurations_that_are_shipped() -> None:
    assert shipped() == ("default", "obelics")


PUBLISHED = {
    "filter.paragraph": {
        "word_count": {"min": 4, "max": 1000},
        "character_repetition": {"ngram": 10, "max": 0.1},
        "word_repetition": {"ngram": 5, "max": 0.1},
        "special_characters": {"max": 0.3},
        "stopwords": {"min": 0.3},
        "flagged_words": {"max": 0.01},
        "punctuation": {"min": 0.001, "from_tokens": 12},
        "common_words": {"min": 0.8},
    },
    "filter.image": {
        "url_words": {"match": "substring", "parts": ("host", "path", "query")},
        "rendered_size": {"min": 150, "max": 20_000},
    },
    "filter.document": {
        "image_count": {"min": 1},
        "word_count": {"min": 10, "max": 2000},
        "character_repetition": {"ngram": 10, "max": 0.1},
        "word_repetition": {"ngram": 5, "max": 0.2},
        "special_characters": {"max": 0.275},
        "stopwords": {"min": 0.35},
        "flagged_words": {"max": 0.01},
        "punctuation": {"min": 0.03},
        "common_words": {"min": 0.9},
        "language": {"accept": ("en",), "min_score": 0.8},
    },
    "assemble.paragraph": {"spam_words": {"max": 0.1199999}},
    "assemble.image": {
        "format": {"accept": ("jpeg", "png", "webp")},
        "size": {"min": 150, "max": 20_000},
        "aspect_ratio": {"min": 0.5, "max": 2},
    },
    "assemble.document": {"image_count": {"min": 1, "max": 30}, "word_count": {"min": 1}},
}


@pytest.mark.parametrize("section", PUBLISHED)
def test_obelics_has_the_published_limits(section: str) -> None:
    stage, level = section.split(".")
    chain = getattr(getattr(load("obelics"), stage), level)
    made = {name: type(chain.rules[name])(**limits) for name, limits in PUBLISHED[section].items()}
    assert list(chain.rules.items()) == list(made.items())
    assert not getattr(chain, "spare", {})


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        pytest.param("{}", "filter:", True, id="nothing and an empty section"),
        pytest.param("filter: {sample_share: 0.01}", "{}", True, id="a default, written"),
        pytest.param(
            "filter: {sample_share: 0.5, document: {word_count: {max: 2, min: 1}}}",
            "# other layout\nfilter:\n  document:\n    word_count: {min: 1.0, max: 2}\n  sample_share: 0.5",
            True,
            id="layout and order of keys",
        ),
        pytest.param(
            DOCUMENT % "word_count: {min: 1}", DOCUMENT % "word_count: {min: 2}", False, id="a limit"
        ),
        pytest.param(
            DOCUMENT % "word_count: {min: 1}, image_count: {min: 1}",
            DOCUMENT % "image_count: {min: 1}, word_count: {min: 1}",
            False,
            id="the order of rules",
        ),
        pytest.param(
            "filter: {paragraph: {word_count: {min: 1}}}",
            "filter: {paragraph: {word_count: {min: 1, spare: [code]}}}",
            False,
            id="what a rule spares",
        ),
    ],
)
def test_section_hash(write, first: str, second: str, same: bool) -> None:
    hashes = [section_hash(load(write(content)).filter) for content in (first, second)]
    assert (hashes[0] == hashes[1]) is same
    assert all(len(digest) == 32 for digest in hashes)


HOSTS = "images: {allow_private: true, hosts: {a.test: '127.0.0.1:81', b.test: '127.0.0.1:82'}}"


@pytest.mark.parametrize(
    ("other", "same"),
    [
        pytest.param(
            "images: {allow_private: true, hosts: {b.test: '127.0.0.1:9', a.test: '127.0.0.1:8'}}",
            True,
            id="where names lead, and their order",
        ),
        pytest.param(
            HOSTS.replace("images: {", "images: {per_host: 1, concurrency: 2, contact: me@a.example, "),
            True,
            id="pace",
        ),
        pytest.param("images: {allow_private: true, hosts: {a.test: '127.0.0.1:81'}}", False, id="names"),
        pytest.param(
            HOSTS.replace("images: {", "images: {img2dataset: {python: /a, processes: 2}, "),
            True,
            id="where it is",
        ),
        pytest.param(HOSTS.replace("images: {", "images: {fetcher: img2dataset, "), False, id="the engine"),
        pytest.param(HOSTS.replace("images: {", "images: {max_bytes: 9, "), False, id="a limit"),
        pytest.param(HOSTS.replace("images: {", "images: {shard_images: 9, "), False, id="the parts"),
    ],
)
def test_what_the_result_of_images_depends_on(write, other: str, same: bool) -> None:
    first, second = (section_hash(load(write(text)).images.result) for text in (HOSTS, other))
    assert (first == second) is same


def test_sections_hash_apart() -> None:
    config = load("default")
    hashes = {section_hash(getattr(config, stage)) for stage in config.__struct_fields__}
    assert len(hashes) == len(config.__struct_fields__)


def test_a_list_or_model_replaced_at_its_path_is_another_configuration(write, tmp_path: Path) -> None:
    words, model = tmp_path / "words.txt", tmp_path / "lid.bin"
    source = write(
        f"text: {{stopwords: {words}}}\nfilter: {{document: {{language: {{accept: [en], model: {model}}}}}}}"
    )
    shutil.copy(shipped_model(), model)
    hashes = set()
    for content in ("the\n", "the\nof\n"):
        words.write_text(content)
        config = load(source)
        hashes.add((section_hash(config.text.as_data()), section_hash(config.filter)))
    assert len(hashes) == 2
    model.write_bytes(model.read_bytes() + b"x")
    assert section_hash(config.filter) not in {of_filter for _, of_filter in hashes}
