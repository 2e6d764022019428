import torch

from mmlearn.models.fusion.tokens import Tokens, joined, parted


def test_tokens_come_out_in_one_width_with_the_mark_of_their_modality():
    torch.manual_seed(0)
    enter = Tokens({"image": 5, "text": 3}, 4)
    x = {"image": torch.randn(2, 7, 5), "text": torch.randn(2, 6, 3)}
    found = enter(x)
    for name, width in (("image", 5), ("text", 3)):
        normed = torch.nn.functional.layer_norm(x[name], (width,))
        torch.testing.assert_close(found[name], normed @ enter.maps[name].weight.T + enter.marks[name])


def test_an_absent_modality_asks_with_one_token_and_the_others_are_left_as_they_are():
    enter = Tokens({"text": 3}, 4)
    tokens, mask = torch.randn(2, 3, 4), torch.tensor([[True, True, False], [False, False, False]])
    asked, counts = enter.asking("text", tokens, mask)
    torch.testing.assert_close(asked[0], tokens[0])
    torch.testing.assert_close(asked[1], enter.marks["text"].expand(3, 4))
    assert counts.tolist() == [[True, True, False], [True, False, False]]


def test_what_was_joined_can_be_parted():
    tokens = {"image": torch.randn(2, 7, 4), "sound": torch.randn(2, 5, 4), "text": torch.randn(2, 3, 4)}
    masks = {name: torch.rand(x.shape[:2]) > 0.5 for name, x in tokens.items()}
    names = ("text", "image")
    together, counts = joined(tokens, masks, names)
    assert together.shape == (2, 10, 4)
    parts = parted(together[:, None].transpose(2, 3), tokens, names)
    assert list(parts) == [*names]
    for name in names:
        assert torch.equal(parts[name][:, 0].transpose(1, 2), tokens[name])
    assert torch.equal(counts, torch.cat([masks["text"], masks["image"]], 1))
