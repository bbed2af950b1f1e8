"""Networks against formulae by hand, and slices of a supernet against networks of their own."""

from itertools import combinations

import numpy as np
import pytest
import torch

from nas.ctr.fields import FieldGroups
from nas.ctr.genotype import CtrGenotype, Tower
from nas.ctr.network import CtrNetwork, Subnet, extract
from nas.ctr.space import CtrSpace
from nas.errors import SearchError

FIELDS = FieldGroups((3, 4, 5), (0, 1, 0))
SPACE = CtrSpace(2)
IDS = torch.tensor([[0, 3, 4], [2, 1, 0], [1, 0, 2], [2, 3, 4]])
FULL = CtrGenotype(
    (4, 2), fm=True, pairs=True, dot=3, cross=2, rank=2, full_cross=1, gate=2, attention=2,
    tower=Tower(2, 6), second=Tower(1, 3),
)  # fmt: skip


def build(genotype: CtrGenotype, seed: int = 0) -> Subnet:
    """A subnet whose every weight is far from where it starts."""
    generator = torch.Generator().manual_seed(seed)
    subnet = Subnet(FIELDS, genotype, generator)
    with torch.no_grad():
        for weight in subnet.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator))
    return subnet


def embeddings(subnet: Subnet) -> list[torch.Tensor]:
    """Each field's vectors (batch, its dimension), read from the table without the network's code."""
    table, starts = subnet.network.table.weight, [0, 3, 7]
    dims = [subnet.genotype.dims[group] for group in FIELDS.groups]
    return [table[starts[f] + IDS[:, f], : dims[f]] for f in range(3)]


def head_on(subnet: Subnet, inputs: torch.Tensor) -> torch.Tensor:
    """bias + Σ wide + head(inputs)."""
    net = subnet.network
    wide = sum(net.wide.weight[start + IDS[:, f], 0] for f, start in enumerate([0, 3, 7]))
    return net.bias + wide + (net.head.weight[0] * inputs).sum(dim=1) + net.head.bias[0]


def test_without_embeddings_the_network_is_logistic_regression() -> None:
    subnet = build(CtrGenotype((0, 0)))
    weights, bias = subnet.network.wide.weight[:, 0], subnet.network.bias
    torch.testing.assert_close(subnet(IDS)[1], bias + weights[2] + weights[3 + 1] + weights[3 + 4 + 0])
    assert {name for name, _ in subnet.named_parameters()} == {"network.bias", "network.wide.weight"}


def test_fm_pooling_is_the_sum_of_all_products_of_two_fields() -> None:
    subnet = build(CtrGenotype((3, 3), fm=True))
    vectors = embeddings(subnet)
    pooled = sum(a * b for a, b in combinations(vectors, 2))
    torch.testing.assert_close(subnet(IDS), head_on(subnet, torch.cat([*vectors, pooled], dim=1)))


def test_pairs_are_dot_products_and_short_vectors_are_padded_with_zeros() -> None:
    subnet = build(CtrGenotype((3, 2), pairs=True))
    vectors = embeddings(subnet)
    a, b, c = (torch.nn.functional.pad(v, (0, 3 - v.shape[1])) for v in vectors)
    dots = torch.stack([(a * b).sum(1), (a * c).sum(1), (b * c).sum(1)], dim=1)
    torch.testing.assert_close(subnet(IDS), head_on(subnet, torch.cat([*vectors, dots], dim=1)))


def test_mixed_dot_multiplies_mixtures_of_fields() -> None:
    subnet = build(CtrGenotype((3, 3), dot=2))
    vectors, mix = embeddings(subnet), subnet.network.branches["dot"].mix
    first, second = (sum(mix.weight[m, f] * vectors[f] for f in range(3)) + mix.bias[m] for m in range(2))
    dot = (first * second).sum(dim=1, keepdim=True)
    torch.testing.assert_close(subnet(IDS), head_on(subnet, torch.cat([*vectors, dot], dim=1)))


def test_full_cross_layers_follow_the_equation() -> None:
    subnet = build(CtrGenotype((2, 3), full_cross=2))
    x = crossed = torch.cat(embeddings(subnet), dim=1)
    for layer in subnet.network.branches["full_cross"].layers:
        crossed = x * (crossed @ layer.weight.T + layer.bias) + crossed
    torch.testing.assert_close(subnet(IDS), head_on(subnet, torch.cat([x, crossed], dim=1)))


def test_a_low_rank_cross_is_a_full_one_whose_matrix_is_the_product() -> None:
    low, full = build(CtrGenotype((2, 3), cross=1, rank=2)), build(CtrGenotype((2, 3), full_cross=1))
    branch, target = low.network.branches["cross"], full.network.branches["full_cross"].layers[0]
    with torch.no_grad():
        target.weight.copy_(branch.up[0].weight @ branch.down[0].weight)
        target.bias.copy_(branch.up[0].weight @ branch.down[0].bias + branch.up[0].bias)
        full.network.table.weight.copy_(low.network.table.weight)
        for name in ("head", "wide"):
            getattr(full.network, name).load_state_dict(getattr(low.network, name).state_dict())
        full.network.bias.copy_(low.network.bias)
    torch.testing.assert_close(low(IDS), full(IDS))


def test_attention_agrees_with_torch_scaled_dot_product_attention() -> None:
    subnet = build(CtrGenotype((4, 4), attention=2))
    vectors, branch = embeddings(subnet), subnet.network.branches["attention"]
    e = torch.stack(vectors, dim=1)

    def split(layer: torch.nn.Module) -> torch.Tensor:
        return (e @ layer.weight.T + layer.bias).view(4, 3, 2, 8).transpose(1, 2)  # type: ignore[operator, union-attr]

    seen = torch.nn.functional.scaled_dot_product_attention(
        split(branch.query), split(branch.key), split(branch.value)
    )
    residual = e @ branch.residual.weight.T + branch.residual.bias
    out = torch.relu(seen.transpose(1, 2).reshape(4, 3, 16) + residual).flatten(1)
    torch.testing.assert_close(subnet(IDS), head_on(subnet, torch.cat([*vectors, out], dim=1)))


def test_a_mask_block_follows_the_equation() -> None:
    subnet = build(CtrGenotype((2, 2), gate=1))
    x, block = torch.cat(embeddings(subnet), dim=1), subnet.network.branches["gate"]

    def norm(values: torch.Tensor, layer: torch.nn.Module) -> torch.Tensor:
        centred = values - values.mean(1, keepdim=True)
        scaled = centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt()
        return scaled * layer.gain + layer.bias  # type: ignore[operator]

    def linear(values: torch.Tensor, layer: torch.nn.Module) -> torch.Tensor:
        return values @ layer.weight.T + layer.bias  # type: ignore[operator, union-attr]

    mask = linear(torch.relu(linear(x, block.narrow[0])), block.widen[0])
    out = torch.relu(norm(linear(norm(x, block.norm) * mask, block.out[0]), block.out_norm[0]))
    torch.testing.assert_close(subnet(IDS), head_on(subnet, torch.cat([x, out], dim=1)))


def test_stacked_branches_enter_the_tower_and_parallel_ones_the_logit() -> None:
    for merge in ("stacked", "parallel"):
        subnet = build(CtrGenotype((3, 3), fm=True, tower=Tower(1, 5), merge=merge))  # type: ignore[arg-type]
        vectors = embeddings(subnet)
        pooled = sum(a * b for a, b in combinations(vectors, 2))
        x = torch.cat(vectors, dim=1)
        layer, norm = subnet.network.tower.layers[0], subnet.network.tower.norms[0]
        into = torch.cat([x, pooled], dim=1) if merge == "stacked" else x  # type: ignore[list-item]
        top = into @ layer.weight.T + layer.bias
        top = torch.relu(torch.nn.functional.layer_norm(top, (5,), norm.gain, norm.bias))
        head = top if merge == "stacked" else torch.cat([top, pooled], dim=1)  # type: ignore[list-item]
        torch.testing.assert_close(subnet(IDS), head_on(subnet, head))


def test_two_towers_meet_in_a_bilinear_form() -> None:
    subnet = build(CtrGenotype((3, 3), tower=Tower(1, 5), second=Tower(1, 4)))
    net, x = subnet.network, torch.cat(embeddings(subnet), dim=1)

    def run(tower: torch.nn.Module, inputs: torch.Tensor) -> torch.Tensor:
        layer, norm = tower.layers[0], tower.norms[0]  # type: ignore[index]
        hidden = inputs @ layer.weight.T + layer.bias
        return torch.relu(torch.nn.functional.layer_norm(hidden, hidden.shape[1:], norm.gain, norm.bias))

    first, second = run(net.tower, x), run(net.second, x * 2.0 * torch.sigmoid(net.gates.weight))
    product = ((first @ net.bilinear.weight.T + net.bilinear.bias) * second).sum(dim=1)
    torch.testing.assert_close(subnet(IDS), head_on(subnet, torch.cat([first, second], dim=1)) + product)


def supernet() -> CtrNetwork:
    network = CtrNetwork(FIELDS, SPACE.limits, torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(0.2 * torch.randn(weight.shape, generator=generator))
    return network


def test_a_slice_of_the_supernet_is_the_network_of_its_own_with_copied_weights() -> None:
    network, rng = supernet(), np.random.default_rng(3)
    for _ in range(60):
        genotype = SPACE.decode(SPACE.search_space.sample(rng))
        alone = extract(network, genotype)
        torch.testing.assert_close(alone(IDS), network(IDS, network.path(genotype)), rtol=1e-5, atol=1e-5)


def test_gradients_flow_to_the_path_alone_and_to_all_of_it() -> None:
    network = supernet()
    genotype = CtrGenotype((4, 8), cross=1, rank=16, tower=Tower(1, 32))
    network(IDS, network.path(genotype)).sum().backward()
    touched = {name for name, weight in network.named_parameters() if weight.grad is not None}
    assert touched == {
        "bias", "wide.weight", "table.weight", "head.weight", "head.bias",
        *(f"branches.cross.{part}.0.{kind}" for part in ("down", "up") for kind in ("weight", "bias")),
        *(f"tower.{part}" for part in ("layers.0.weight", "layers.0.bias", "norms.0.gain", "norms.0.bias")),
    }  # fmt: skip
    gradient = network.branches["cross"].down[0].weight.grad
    assert gradient[:16].abs().sum() > 0.0
    assert gradient[16:].abs().sum() == 0.0
    # The 3 + 5 ids of group 0 have 4 columns, the 4 of group 1 have 8; id 2 of field 0 was seen twice.
    assert network.table.weight.grad[0, :4].abs().min() > 0.0
    assert network.table.weight.grad[0, 4:].abs().sum() == 0.0
    assert network.table.weight.grad[3, :8].abs().min() > 0.0


def test_every_weight_of_a_subnet_is_read() -> None:
    subnet = build(FULL)
    subnet(IDS).sum().backward()
    unread = [name for name, weight in subnet.named_parameters() if weight.grad is None]
    assert unread == []


def test_fields_of_dimension_zero_have_no_rows_and_change_only_the_wide_part() -> None:
    subnet = build(CtrGenotype((0, 2), wide=False, tower=Tower(1, 4)))
    assert subnet.network.table.weight.shape == (4, 2)
    changed = IDS.clone()
    changed[:, 0], changed[:, 2] = 1, 1
    assert torch.equal(subnet(IDS), subnet(changed))


def test_the_same_seed_gives_the_same_network_and_leaves_the_global_generator_alone() -> None:
    before = torch.random.get_rng_state()
    one, same, other = (Subnet(FIELDS, FULL, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(one(IDS), same(IDS))
    assert not torch.equal(one(IDS), other(IDS))
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_genotype_that_is_too_large_is_refused() -> None:
    with pytest.raises(SearchError, match=r"genotype.dims\[1\] = 64"):
        supernet().path(CtrGenotype((4, 64)))
