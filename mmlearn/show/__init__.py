"""Figures and interactive widgets of the course, in one style and each with a text alternative.

Everything here returns or displays a picture that says in words what it shows, so that a reader who cannot see it loses
nothing. A tour:

    from mmlearn import show

    show.set_style()                                         # once per notebook; mmlearn.course.begin does it for you
    show.figure(fig, alt="Loss falls from 2.3 to 0.1 …")      # any matplotlib figure, shown with its alt text, then closed
    html = show.to_html(fig, alt="…")                         # the same as a string, nothing displayed

    show.images(batch, titles=labels, alt="…")                # photographs and digits, side by side
    show.kernels(layer.weight, alt="…")                       # signed weights: blue below zero, white at zero, orange above
    show.feature_maps(activations[0], alt="…")                # every channel of one layer on one scale

    show.matrix(M, alt="…")                                   # a small matrix with its numbers; zeros stay quiet
    show.equation_of_grids([x, k, y], ["⋆", "="], alt="…")    # input ⋆ kernel = output, small enough to do by hand

    show.curves(history, alt="…")                             # loss and accuracy by epoch, labelled at the line's end
    show.curves({"SGD": a, "Adam": b}, alt="…")               # several runs in one figure
    show.table(rows, header, caption="…")                     # an accessible table with aligned numbers

    show.scenes(scenes, boxes=True, masks=True)               # the world's pictures; depth=True, captions=True
    show.questions(scenes, scenes.questions())                # pictures beside their questions and answers
    show.sound(scenes.sound()[0], listen=True)                # the waveform of each ear, and a player
    show.spectrogram(data.log_mel(sound))                     # seconds against hertz
    show.scan(scenes.scan(), scenes.image[0])                 # rays over the picture, distance by angle
    show.clip(scenes.clip())                                  # a film strip with arrows
    show.senses(scenes)                                       # one scene as pixels, words, sound and range scan

    show.decomposition({"matching": task})                    # redundant, unique and synergistic bits as bars
    show.measured_against_ceilings(measured, tasks)           # a dot for each seed, against those of theory

    show.interactive(draw, alt, rank=(1, 8))                  # your own figure with sliders
    show.convolution_explorer(photo)                          # chapter 04: a kernel slides over a photograph
    show.gradient_footprint()                                 # chapter 05: where one output pixel's gradient lands
    show.computation_graph()                                  # chapter 02: values forward, gradients backward
    show.senses_explorer()                                    # chapter 01: other scenes, through every sense
    show.optimiser_paths()                                    # chapter 03: SGD, momentum, RMSProp and AdamW on one surface
    show.receptive_field_explorer()                           # chapter 06: what one output pixel sees
    show.gradient_through_time()                              # chapter 07: how a gradient grows or dies on its way back
    show.lstm_diagram()                                       # chapter 08: one step of an LSTM as arrows
    show.gate_explorer(model, vocabulary, texts, classes)     # chapter 08: the gates, word by word
    show.embedding_plane(vectors, words)                      # chapter 09: words in a plane, and who is near
    show.attention_explorer(pictures, mask, texts, maps, patch_maps)   # chapter 10: where a head looks, in words and patches
    show.code_plane(model, images, labels)                    # chapter 11: move through the codes, see what is decoded
    show.latent_explorer(decode, posterior, pictures)         # chapter 12: a slider for each latent, decoded at once
    show.neighbours_explorer(pictures, features, attributes)  # chapter 13: who is near whom, layer by layer
    show.information_dial()                                   # chapter 14: dial what a label needs; the ceilings move
    show.fusion_explorer(runs, ceilings, symbols)             # chapter 15: swap the operator, see its accuracy and its ceiling
    show.rank_explorer(log_odds, ceilings)                    # chapter 16: what each rank buys and costs
    show.look_explorer(pictures, mask, phrases, maps)         # chapter 17: which region each word looks at
    show.similarity_explorer(images, texts, scales, steps, pictures, captions)   # chapter 18: the similarity matrix in training
    show.balance_explorer(norms, curves, rates, ceiling)      # chapter 19: each modality's gradient, and what a missing one costs
    show.gradient_pair()                                      # chapter 20: two gradients, an angle, and five ways to combine them

Colours: ``show.COLOURS`` is the categorical palette (``show.COLOURS.blue``, ``show.COLOURS[0]``), ``show.SEQUENTIAL`` and
``show.SIGNED`` name the colour maps for amounts and for signed values.
"""

import importlib

_HOME = {
    "COLOURS": "style",
    "SEQUENTIAL": "style",
    "SIGNED": "style",
    "set_style": "style",
    "figure": "figures",
    "to_html": "figures",
    "images": "grids",
    "kernels": "grids",
    "feature_maps": "grids",
    "matrix": "matrices",
    "equation_of_grids": "matrices",
    "curves": "training_curves",
    "table": "tables",
    "interactive": "widgets",
    "convolution_explorer": "explore_convolution",
    "gradient_footprint": "explore_gradient",
    "computation_graph": "explore_graph",
    "optimiser_paths": "explore_optimisers",
    "receptive_field_explorer": "explore_receptive_field",
    "gradient_through_time": "explore_recurrence",
    "lstm_diagram": "cell_diagram",
    "gate_explorer": "explore_gates",
    "embedding_plane": "explore_embedding",
    "attention_explorer": "explore_attention",
    "code_plane": "explore_code_plane",
    "latent_explorer": "explore_latents",
    "neighbours_explorer": "explore_neighbours",
    "fusion_explorer": "explore_fusion",
    "rank_explorer": "explore_rank",
    "look_explorer": "explore_looks",
    "similarity_explorer": "explore_alignment",
    "balance_explorer": "explore_balance",
    "gradient_pair": "explore_task_gradients",
    "scenes": "scene_grids",
    "questions": "scene_grids",
    "sound": "sounds",
    "spectrogram": "sounds",
    "scan": "scans",
    "clip": "clips",
    "senses": "explore_senses",
    "senses_explorer": "explore_senses",
    "information_dial": "explore_information",
    "decomposition": "ceilings",
    "measured_against_ceilings": "ceilings",
}

__all__ = list(_HOME)


def __getattr__(name):
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
