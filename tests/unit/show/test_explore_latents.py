import pytest
import torch
from torch.distributions import Normal, kl_divergence

from mmlearn.models import VAE
from mmlearn.show.explore_latents import REACH, STEPS, latent_explorer, most_used, nearest


@pytest.fixture
def vae():
    torch.manual_seed(0)
    model = VAE(image_size=8, code=4, widths=(), hidden=16)
    torch.nn.init.normal_(model.fc.weight, std=0.5)
    return model


PICTURES = torch.rand(12, 1, 8, 8, generator=torch.Generator().manual_seed(0))
LABELS = list("abcdefghijkl")


@pytest.fixture
def figure(vae, published):
    return latent_explorer(vae.decode, vae.encode(PICTURES), PICTURES, LABELS, units=3, example=2)


def test_it_starts_with_the_code_of_the_example(figure, vae):
    mean = vae.encode(PICTURES).mean[2]
    torch.testing.assert_close(figure.state["code"], mean, atol=0.0051, rtol=0)  # the sliders keep two digits
    with torch.no_grad():
        torch.testing.assert_close(figure.state["decoded"], vae.decode(figure.state["code"][None])[0])


def test_the_sliders_are_the_numbers_with_most_nats(vae):
    mean, log_var = (each.detach() for each in vae.encode(PICTURES))
    each = kl_divergence(Normal(mean, (log_var / 2).exp()), Normal(0.0, 1.0)).mean(0)
    places, nats = most_used(mean, log_var, 4)
    torch.testing.assert_close(nats, each.sort(descending=True).values)
    torch.testing.assert_close(each[places], nats)


def test_a_slider_moves_its_number_and_the_picture(figure, vae, alt_of):
    place = figure.state["units"][1].item()
    before, name = figure.state["code"].clone(), f"z{place + 1}"
    figure.set(**{name: -2.5})
    expected = before.clone()
    expected[place] = -2.5
    torch.testing.assert_close(figure.state["code"], expected)
    with torch.no_grad():
        torch.testing.assert_close(figure.state["decoded"], vae.decode(expected[None])[0])
    assert f"{name} (" in alt_of(figure)
    assert "stands at −2.50" in alt_of(figure)


def test_a_row_is_the_traversal_of_the_model(figure, vae):
    with torch.no_grad():
        expected = vae.traverse(figure.state["code"], torch.linspace(-REACH, REACH, STEPS))
    torch.testing.assert_close(figure.state["rows"], expected[figure.state["units"]])


def test_another_example_sets_all_sliders(figure, vae, alt_of):
    figure.set(z1=0.0, example=6)
    torch.testing.assert_close(figure.state["code"], vae.encode(PICTURES).mean[6], atol=0.0051, rtol=0)
    assert figure.value["z1"] == pytest.approx(vae.encode(PICTURES).mean[6, 0].item(), abs=0.0051)
    assert "begun with picture 6" in alt_of(figure)


def test_words_name_the_most_similar_picture(vae, published, alt_of, note_of):
    """A decoder that gives back one of the pictures, whatever the code."""

    def decode(z):
        return PICTURES[[4]].expand(len(z), 1, 8, 8)

    figure = latent_explorer(decode, vae.encode(PICTURES), PICTURES, LABELS, units=1)
    assert figure.state["nearest"] == 4
    assert "most like a picture of e." in note_of(figure)
    assert "leads from a picture of e to a picture of e" in alt_of(figure)
    unnamed = latent_explorer(decode, vae.encode(PICTURES), PICTURES, units=1)
    assert "most like picture 4." in note_of(unnamed)
    assert nearest(PICTURES[3:5], PICTURES) == [3, 4]


def test_a_code_beyond_the_sliders_is_brought_to_their_end(vae, published):
    mean, log_var = (each.detach().clone() for each in vae.encode(PICTURES))
    mean[0] = torch.tensor([50.0, -50.0, 0.0, 0.0])
    figure = latent_explorer(vae.decode, (mean, log_var), PICTURES, units=2)
    assert sorted(figure.state["code"].tolist()) == pytest.approx([-3, 0, 0, 3])


def test_coloured_pictures_can_be_drawn(published, pixels):
    pictures = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    posterior = torch.zeros(3, 2), torch.zeros(3, 2)
    red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    figure = latent_explorer(lambda z: red.expand(len(z), 3, 8, 8), posterior, pictures, units=2)
    drawn = pixels(figure.html)
    assert (drawn == [255, 0, 0]).all(-1).mean() > 0.1


def test_every_control_says_what_it_is(figure):
    assert all(widget.description for widget in figure.widgets.values())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"posterior": (torch.zeros(3, 4), torch.zeros(3, 4))}, r"\(12, D\) twice; got \(3, 4\): give vae.encode"),
        ({"pictures": PICTURES[:, 0]}, r"1 or 3 channels; got shape \(12, 8, 8\)"),
        ({"labels": ["a"]}, "each of the 12 pictures; got 1"),
        ({"units": 5}, "units must be from 1 to 4.* got 5"),
        ({"example": 12}, "example must be from 0 to 11.* got 12"),
    ],
)
def test_what_does_not_fit_is_refused(vae, options, says):
    given = {"decode": vae.decode, "posterior": vae.encode(PICTURES), "pictures": PICTURES} | options
    with pytest.raises(ValueError, match=says):
        latent_explorer(**given)
