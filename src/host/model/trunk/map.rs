//! Where each tensor of a trunk lies, without names: the same order as [`Arch::layout`], cheap enough for every step.

use crate::host::model::arch::{Activation, Arch};
use crate::host::tensor::attention::relative::BUCKETS;
use std::ops::Range;

/// Block parameters beyond which operations split their work instead of the batch being split: a shard then costs more
/// memory for its gradients than it saves in waiting. Chosen; between the .2 M of 4 × 64 and the 3.2 M of 4 × 256.
pub(super) const BIG: usize = 1_000_000;

/// A weight (or a norm's scale) and its bias.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Pair {
    pub weight: Range<usize>,
    pub bias: Range<usize>,
}

/// One block.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layer {
    pub norm1: Pair,
    pub qkv: Pair,
    pub out: Pair,
    pub norm2: Pair,
    pub up: Pair,
    pub down: Pair,
}

impl Layer {
    /// Its first parameter.
    pub(super) fn start(&self) -> usize {
        self.norm1.weight.start
    }

    /// All but the weight matrices: norms and biases.
    pub(super) fn sums(&self) -> [Range<usize>; 6] {
        let whole = |norm: &Pair| norm.weight.start..norm.bias.end;
        let bias = |pair: &Pair| pair.bias.clone();
        [whole(&self.norm1), bias(&self.qkv), bias(&self.out), whole(&self.norm2), bias(&self.up), bias(&self.down)]
    }
}

/// An architecture as numbers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Map {
    pub causal: bool,
    pub vocab: usize,
    pub width: usize,
    pub n_heads: usize,
    pub inner: usize,
    pub activation: Activation,
    pub eps: f32,
    pub token: Range<usize>,
    pub position: Range<usize>,
    /// Empty in a causal trunk and in MPNet.
    pub types: Range<usize>,
    /// What scores get for their distance, `[buckets, heads]`; empty but in MPNet.
    pub relative: Range<usize>,
    /// The embedding's norm (BERT) or the last one (causal).
    pub norm: Pair,
    pub layers: Vec<Layer>,
    pub n_params: usize,
}

/// Hands out consecutive ranges.
struct Cursor(usize);

impl Cursor {
    fn take(&mut self, n: usize) -> Range<usize> {
        let start = self.0;
        self.0 += n;
        start..self.0
    }

    fn pair(&mut self, weight: usize, bias: usize) -> Pair {
        Pair { weight: self.take(weight), bias: self.take(bias) }
    }
}

impl Map {
    /// Where the blocks begin, after the embeddings and BERT's norm.
    pub(super) fn blocks_start(&self) -> usize {
        if self.causal { self.relative.end } else { self.norm.bias.end }
    }

    pub(super) fn new(arch: &Arch) -> Self {
        let (causal, vocab, context, width, n_layers, n_heads, inner, activation, eps, n_types, relative) = match arch {
            Arch::Causal(c) => {
                (true, c.vocab, c.context, c.width, c.n_layers, c.n_heads, c.inner, c.activation, c.norm_eps, 0, false)
            }
            Arch::Bert(c) => (
                false,
                c.vocab,
                c.context,
                c.width,
                c.n_layers,
                c.n_heads,
                c.inner,
                c.activation,
                c.norm_eps,
                c.n_token_types,
                c.relative,
            ),
        };
        let mut cursor = Cursor(0);
        let token = cursor.take(vocab * width);
        let position = cursor.take(context * width);
        let types = cursor.take(n_types * width);
        let relative = cursor.take(if relative { BUCKETS * n_heads } else { 0 });
        let mut norm = if causal { Pair::default() } else { cursor.pair(width, width) };
        let layers = (0..n_layers)
            .map(|_| Layer {
                norm1: cursor.pair(width, width),
                qkv: cursor.pair(3 * width * width, 3 * width),
                out: cursor.pair(width * width, width),
                norm2: cursor.pair(width, width),
                up: cursor.pair(inner * width, inner),
                down: cursor.pair(width * inner, width),
            })
            .collect();
        if causal {
            norm = cursor.pair(width, width);
        }
        let n_params = cursor.0;
        Map {
            causal,
            vocab,
            width,
            n_heads,
            inner,
            activation,
            eps,
            token,
            position,
            types,
            relative,
            norm,
            layers,
            n_params,
        }
    }

    /// Parameters but for the embeddings of tokens and positions.
    pub(super) fn n_block(&self) -> usize {
        self.n_params - self.token.len() - self.position.len()
    }

    /// Whether operations split their work over the pool.
    pub(super) fn is_big(&self) -> bool {
        self.n_block() > BIG
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::model::arch::{BertConfig, CausalConfig};

    #[test]
    fn the_map_is_the_layout() {
        let causal = CausalConfig {
            vocab: 11,
            context: 7,
            width: 6,
            n_layers: 2,
            n_heads: 2,
            inner: 10,
            activation: Activation::GeluTanh,
            norm_eps: 1e-5,
        };
        let bert = BertConfig {
            vocab: 11,
            context: 7,
            width: 6,
            n_layers: 2,
            n_heads: 2,
            inner: 10,
            activation: Activation::GeluErf,
            norm_eps: 1e-12,
            n_token_types: 2,
            relative: false,
        };
        let mpnet = BertConfig { n_token_types: 0, relative: true, ..bert.clone() };
        for arch in [Arch::Causal(causal), Arch::Bert(bert), Arch::Bert(mpnet)] {
            let (map, layout) = (Map::new(&arch), arch.layout());
            assert_eq!(map.n_params, layout.n_params);
            let range = |name: &str| {
                let entry = layout.find(name).expect("the layout has it");
                entry.offset..entry.offset + entry.shape.iter().product::<usize>()
            };
            let pair =
                |name: &str| Pair { weight: range(&format!("{name}.weight")), bias: range(&format!("{name}.bias")) };
            assert_eq!((&map.token, &map.position), (&range("embed.token"), &range("embed.position")));
            assert_eq!(map.norm, pair(if map.causal { "norm" } else { "embed.norm" }));
            for (idx, layer) in map.layers.iter().enumerate() {
                let named = |name: &str| pair(&format!("{idx}.{name}"));
                let expected = Layer {
                    norm1: named("norm1"),
                    qkv: named("qkv"),
                    out: named("out"),
                    norm2: named("norm2"),
                    up: named("up"),
                    down: named("down"),
                };
                assert_eq!(*layer, expected);
            }
        }
    }
}
