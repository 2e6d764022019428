import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from mmlearn.show.explore_embedding import ALIKE, BESIDE, embedding_plane, places_on_axes

WORDS = ["red", "blue", "star", "stars", "ring", "rings", "the"]
GROUPS = {"colours": ["red", "blue"], "shapes": ["star", "ring"]}


def table(seed=0, words=7, features=5):
    return torch.randn(words, features, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def figure(published):
    return embedding_plane(
        table(), WORDS, contexts=table(1), groups=GROUPS, pairs=[("star", "stars"), ("ring", "rings")], word="star", count=3
    )


def test_the_plane_is_that_of_scikit_learns_principal_components():
    vectors = table(3, 20, 6).double()
    units = (vectors / vectors.norm(dim=1, keepdim=True)).numpy()
    found, shares = places_on_axes(vectors)
    judge = PCA(3)
    places = judge.fit_transform(units)
    np.testing.assert_allclose(np.abs(found), np.abs(places), atol=1e-9)
    np.testing.assert_allclose(shares, judge.explained_variance_ratio_, atol=1e-9)
    assert (found[np.abs(found).argmax(0), [0, 1, 2]] > 0).all()


def test_the_list_holds_the_largest_cosines_and_never_the_word_itself(figure):
    cosines = torch.cosine_similarity(table()[WORDS.index("star")], table(), dim=1)
    order = [WORDS[n] for n in cosines.argsort(descending=True).tolist() if WORDS[n] != "star"]
    assert [word for word, _ in figure.state["found"]] == order[:3]
    figure.set(word="the", count=6)
    assert {word for word, _ in figure.state["found"]} == set(WORDS) - {"the"}


def test_beside_it_stand_the_words_with_the_largest_products(figure, alt_of, note_of):
    figure.set(by=BESIDE, count=2)
    odds = torch.sigmoid(table(1) @ table()[WORDS.index("star")])
    best = odds.topk(2)
    assert [word for word, _ in figure.state["found"]] == [WORDS[n] for n in best.indices]
    assert [value for _, value in figure.state["found"]] == pytest.approx(best.values.tolist(), abs=1e-6)
    assert "by σ of the product with the context vectors" in alt_of(figure)
    assert "are expected beside it most" in note_of(figure)


def test_without_contexts_only_likeness_is_offered(published, note_of):
    plain = embedding_plane(table(), WORDS)
    assert plain.widgets["by"].options == (ALIKE,)
    assert plain.value["word"] == "red"
    assert "nearest: " in note_of(plain)


def test_the_text_alternative_lists_the_neighbours_and_the_share_of_the_variance(figure, alt_of):
    alt = alt_of(figure)
    for word, value in figure.state["found"]:
        assert f"{word} ({value:.2f})".replace("-", "−") in alt
    assert f"{100 * figure.state['share']:.0f} % of the variance" in alt
    assert "colours and shapes in colours" in alt


def test_the_note_counts_neighbours_of_the_same_group(figure, note_of):
    same = sum(word in GROUPS["shapes"] for word, _ in figure.state["found"])
    assert note_of(figure) == f"Of the 3 words that are alike most, {same} belong to “shapes” like “star” itself."


def test_another_plane_shows_other_axes_of_the_same_vectors(figure):
    places, shares = places_on_axes(table().double())
    figure.set(plane="axes 2 and 3")
    np.testing.assert_allclose(figure.state["place"], places[:, [1, 2]])
    assert figure.state["share"] == pytest.approx(shares[[1, 2]].sum())


def test_two_features_make_one_plane_that_holds_everything(published):
    flat = embedding_plane(table(0, 7, 2), WORDS)
    assert flat.widgets["plane"].options == ("axes 1 and 2",)
    assert flat.state["share"] == pytest.approx(1)


def test_words_at_one_place_can_be_drawn(published, alt_of):
    assert "variance" in alt_of(embedding_plane(table(0, 3, 4)[[0, 0, 1]], ["a", "b", "c"], count=2))


def test_every_control_says_what_it_is(figure):
    assert all(widget.description for widget in figure.widgets.values())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            {"vectors": table()[:3]},
            r"vectors must be a tensor \(7, D\), a row for each word and .* got shape \(3, 5\)",
        ),
        ({"vectors": table().numpy()}, "vectors must be a tensor .* got ndarray"),
        ({"contexts": table()[:, :1]}, r"contexts must be a tensor .* got shape \(7, 1\)"),
        ({"contexts": table() * torch.nan}, "contexts must be finite numbers"),
        ({"word": "green"}, "'green' is none of the 7 words: red, blue"),
        ({"pairs": [("star", "suns")]}, "'suns' is none of the 7 words"),
        ({"groups": {"x": ["sun"]}}, "'sun' is none of the 7 words"),
        ({"groups": {str(n): [] for n in range(6)}}, "groups can be 5 at most"),
        ({"count": 7}, "count must be 1 to 6 neighbours; got 7"),
    ],
)
def test_what_does_not_fit_is_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        embedding_plane(**({"vectors": table(), "words": WORDS, "contexts": table(1), "count": 3} | arguments))


def test_every_name_stands_apart_from_the_others_and_plain_ones_from_all_dots(published, monkeypatch):
    from mmlearn.show import explore_embedding as module

    placed = []
    monkeypatch.setattr(module, "write_many", lambda axes, entries, *style: placed.extend(entries))
    words = [f"w{n}" for n in range(60)]
    figure = embedding_plane(table(5, 60, 6), words, count=3)
    points = module._on_map(figure.state["place"])
    assert len(placed) >= 20  # most of them find room
    for left, middle, name, _ in placed:
        wide = module.width_of(name, 11.5, "normal")
        inside = (points[:, 0] > left) & (points[:, 0] < left + wide) & (abs(points[:, 1] - middle) < 7)
        assert not inside.any(), name
