"""Chapter 02's figure: a neuron as a graph, with values forward and gradients backward."""

from typing import NamedTuple

from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from mmlearn.ops.scalar_graph import accumulate, evaluate, local_derivatives
from mmlearn.show.canvas import POINTS, canvas, number, write
from mmlearn.show.style import CARD, COLOURS, HAIRLINE, INK, MUTED
from mmlearn.show.widgets import interactive

FLOWS, DERIVATIVES, NOTHING = "what flows back", "local derivatives", "nothing"
ACTIVATIONS = ("tanh", "sigmoid", "relu")
INPUTS = ("x₁", "w₁", "x₂", "w₂", "t")
_WIDTH, _HEIGHT = 720, 372
_BOX = (64, 62)  # CSS pixels of a node
_LEAVES = {("x₁", "y"): -12, ("x₁", "p₁"): 10}  # two edges of one node, apart from each other
_FLOW = "#e2a381"  # vermilion, paler: arrows that numbers stand on


class _Node(NamedTuple):
    x: float
    y: float
    formula: str


def _layout(activation):
    """Where each node stands, in CSS pixels, and how it is computed."""
    return {
        "x₁": _Node(44, 48, ""),
        "w₁": _Node(44, 122, ""),
        "x₂": _Node(44, 196, ""),
        "w₂": _Node(44, 270, ""),
        "p₁": _Node(170, 122, "w₁ · x₁"),
        "p₂": _Node(170, 233, "w₂ · x₂"),
        "z": _Node(297, 178, "p₁ + p₂"),
        "a": _Node(424, 178, f"{activation} z"),
        "y": _Node(551, 113, "a + x₁"),
        "t": _Node(551, 243, ""),
        "L": _Node(676, 178, "(y − t)²"),
    }


def computation_graph(x1=1.0, w1=-1.5, x2=0.8, w2=1.5, t=1.5, *, activation="tanh", edges=FLOWS):
    """Display a neuron with a shortcut, y = act(w₁x₁ + w₂x₂) + x₁, and its loss (y − t)² as a graph, with controls.

    Each node shows its value (blue) and ∂L/∂node (vermilion); each edge what flows back along it, which is the child's gradient
    times the local derivative, or that derivative. x₁ is used twice, so its gradient is the sum of what two edges bring.

    x1, w1, x2, w2, t: from −2 to 2   activation: tanh, sigmoid or relu
    edges: "what flows back", "local derivatives" or "nothing"
    The handle's ``state`` holds values and gradients by node, and derivatives and flows by edge, (parent, child).
    """
    import ipywidgets

    if activation not in ACTIVATIONS:
        raise ValueError(f"activation must be {', '.join(ACTIVATIONS[:-1])} or {ACTIVATIONS[-1]}; got {activation!r}")
    if edges not in (FLOWS, DERIVATIVES, NOTHING):
        raise ValueError(f"edges must be {FLOWS!r}, {DERIVATIVES!r} or {NOTHING!r}; got {edges!r}")
    controls = {}
    given = {"x1": x1, "w1": w1, "x2": x2, "w2": w2, "t": t}
    for label, (name, value) in zip(INPUTS, given.items(), strict=True):
        if not -2 <= value <= 2:
            raise ValueError(f"{name} must be a number from −2 to 2, the range of its slider; got {value!r}")
        controls[name] = ipywidgets.FloatSlider(value=value, min=-2, max=2, step=0.1, description=label)
    controls["activation"] = ipywidgets.Dropdown(options=ACTIVATIONS, value=activation, description="activation")
    controls["edges"] = ipywidgets.Dropdown(options=[FLOWS, DERIVATIVES, NOTHING], value=edges, description="on the edges")
    return interactive(_draw, _describe, note=_explain, compute=neuron, arrange=_arrange, **controls)


def neuron(x1, w1, x2, w2, t, activation, edges=FLOWS):
    """Everything the figure shows at one setting."""
    graph = {
        "p₁": ("×", "w₁", "x₁"),
        "p₂": ("×", "w₂", "x₂"),
        "z": ("+", "p₁", "p₂"),
        "a": (activation, "z"),
        "y": ("+", "a", "x₁"),
        "L": ("squared error", "y", "t"),
    }
    values = evaluate(graph, dict(zip(INPUTS, (x1, w1, x2, w2, t), strict=True)))
    gradients = accumulate(graph, values, "L")
    derivatives = {(parent, child): derivative for parent, child, derivative in local_derivatives(graph, values)}
    flows = {(parent, child): gradients[child] * derivative for (parent, child), derivative in derivatives.items()}
    return {
        "values": values,
        "gradients": gradients,
        "derivatives": derivatives,
        "flows": flows,
        "activation": activation,
        "edges": edges,
    }


def _draw(values, gradients, derivatives, flows, activation, edges):
    fig, axes = canvas(_WIDTH, _HEIGHT)
    nodes = _layout(activation)
    most = max(*map(abs, flows.values()), 1.0)
    for edge, flow in flows.items():
        _edge(axes, *_ends(nodes, edge), abs(flow) / most)
    if edges != NOTHING:
        for edge, flow in flows.items():
            shown, colour = (flow, COLOURS.vermilion) if edges == FLOWS else (derivatives[edge], INK)
            (x0, y0), (x1, y1) = _ends(nodes, edge)
            share = 0.3 if edge == ("x₁", "y") else 0.5
            text = write(axes, x0 + share * (x1 - x0), y0 + share * (y1 - y0), _number(shown), 12, colour)
            text.set_zorder(6)
            text.set_bbox({"facecolor": CARD, "edgecolor": "none", "pad": 1.3})
    for name, node in nodes.items():
        _box(axes, node, name, values[name], gradients[name])
    write(axes, 14, _HEIGHT - 34, "blue: value, computed from left to right", 12, COLOURS.blue, "left")
    words = "vermilion: ∂L/∂ this node, computed from right to left"
    write(axes, 14, _HEIGHT - 15, words, 12, COLOURS.vermilion, "left")
    if edges != NOTHING:
        on_edge = "what it sends to the parent" if edges == FLOWS else "∂ child / ∂ parent"
        write(axes, _WIDTH - 14, _HEIGHT - 15, f"on an edge: {on_edge}", 12, MUTED, "right")
    return fig


def _number(value):
    return number(round(value, 6))


def _box(axes, node, name, value, gradient):
    width, height = _BOX
    leaf = not node.formula
    place = (node.x - width / 2, node.y - height / 2)
    style = {"facecolor": "#f1f3f5" if leaf else "#ffffff", "edgecolor": MUTED, "linewidth": 1.1 * POINTS}
    axes.add_patch(FancyBboxPatch(place, width, height, boxstyle="round,pad=0,rounding_size=7", zorder=4, **style))
    lines = [(name, -19, 13, INK, "bold"), (_number(value), 1, 13.5, COLOURS.blue, "normal")]
    lines.append((_number(gradient), 20, 13.5, COLOURS.vermilion, "normal"))
    for text, below, size, colour, weight in lines:
        write(axes, node.x, node.y + below, text, size, colour, weight=weight).set_zorder(5)
    if node.formula:
        write(axes, node.x, node.y - height / 2 - 11, node.formula, 12, MUTED).set_zorder(5)


def _ends(nodes, edge):
    """Where an edge leaves the parent's right side and enters the child's left."""
    parent, child = (nodes[name] for name in edge)
    return (parent.x + _BOX[0] / 2, parent.y + _LEAVES.get(edge, 0)), (child.x - _BOX[0] / 2, child.y)


def _edge(axes, start, end, strength):
    """A grey line forward, and over it an arrow back whose width says how much flows."""
    axes.plot(*zip(start, end, strict=True), color=HAIRLINE, linewidth=1.6 * POINTS, zorder=1)
    if strength > 1e-3:
        head = 7 + 6 * strength
        style = {"arrowstyle": f"-|>,head_length={head * 0.06:.3f},head_width={head * 0.035:.3f}", "mutation_scale": 10 * POINTS}
        look = {"color": _FLOW, "linewidth": (0.8 + 4.2 * strength) * POINTS}
        axes.add_patch(FancyArrowPatch(end, start, shrinkA=0, shrinkB=0, zorder=2, **style, **look))


def _explain(values, gradients, derivatives, flows, activation, **_):
    if abs(values["y"] - values["t"]) < 1e-9:
        return "The output is the target: the loss is at its least, and every other node's gradient is 0."
    if activation == "relu" and values["z"] <= 0:
        return (
            "z is not positive: the ReLU is shut, its derivative is 0, and w₁, w₂ and x₂ learn nothing. "
            f"x₁ still hears from the loss through the shortcut: {_number(gradients['x₁'])}."
        )
    if abs(derivatives["z", "a"]) < 0.05:
        return (
            f"The {activation} is nearly flat at z = {_number(values['z'])}: of a's gradient, the share "
            f"{_number(derivatives['z', 'a'])} passes to z. The shortcut brings x₁ all of y's."
        )
    through, direct = flows["x₁", "p₁"], flows["x₁", "y"]
    against = "against each other" if through * direct < 0 else "in the same direction"
    return (
        f"x₁ is used twice. Through the neuron it hears {_number(through)}, through the shortcut {_number(direct)}, {against}; "
        f"its gradient is the sum, {_number(gradients['x₁'])}."
    )


def _describe(values, gradients, flows, activation, **_):
    each = "; ".join(f"{name} = {_number(values[name])}, gradient {_number(gradients[name])}" for name in values)
    return (
        f"A graph with eleven nodes: p₁ = w₁x₁, p₂ = w₂x₂, z = p₁ + p₂, a = {activation} z, y = a + x₁, L = (y − t)². {each}. "
        f"x₁ receives {_number(flows['x₁', 'p₁'])} from p₁ and {_number(flows['x₁', 'y'])} from y."
    )


def _arrange(widgets):
    """Two columns: the numbers, and what is shown."""
    import ipywidgets

    columns = [("x1", "w1", "x2", "w2"), ("t", "activation", "edges")]
    boxes = [ipywidgets.VBox([widgets[name] for name in names]) for names in columns]
    return ipywidgets.HBox(boxes, layout=ipywidgets.Layout(flex_flow="row wrap"))
