"""What a transformer block stores and does."""

from mmlearn.ops.arguments import check_whole


def encoder_block_cost(tokens, features, hidden=None):
    """P = 4D² + 2DM + 9D + M parameters, and T·(4D² + 2DM) + 2T²D products: M is the hidden width — Eq. 10.9.

    tokens: T   features: D   hidden: M, 4·D when None   returns: (parameters, products) for one sequence

    The term with T² is attention's own: every token compares itself with every other (T²D) and mixes their values (T²D).

    >>> encoder_block_cost(tokens=10, features=8)
    (872, 9280)
    """
    for name, value in {"tokens": tokens, "features": features}.items():
        check_whole(value, name)
    hidden = 4 * features if hidden is None else hidden
    check_whole(hidden, "hidden")
    weights = 4 * features**2 + 2 * features * hidden
    biases = 4 * features + hidden + features + 4 * features  # of attention, of both layers, and the two layer norms
    return weights + biases, tokens * weights + 2 * tokens**2 * features
