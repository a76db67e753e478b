//! Where each tensor of a trunk lies, without names: the same order as [`Arch::layout`], cheap enough for every step.

use crate::kernels::attention::relative::BUCKETS;
use crate::kernels::gate::Gate;
use crate::models::arch::{Activation, Arch, Pooling, Rope};
use std::ops::Range;

/// Block parameters beyond which operations split their work instead of the batch being split: a shard then costs more
/// memory for its gradients than it saves in waiting. Chosen; between the .2 M of 4 × 64 and the 3.2 M of 4 × 256.
pub(super) const BIG: usize = 1_000_000;

/// What stands between a feed-forward layer's halves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Feed {
    Bent(Activation),
    /// One half of the features opens the other.
    Gated(Gate),
}

/// A weight (or a norm's scale) and its bias, which is empty where there is none.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Pair {
    pub weight: Range<usize>,
    pub bias: Range<usize>,
}

/// One block.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layer {
    /// Its number, from 0.
    pub nth: usize,
    pub norm1: Pair,
    pub qkv: Pair,
    /// Gains of the norms of queries and keys; empty where there are none. As many as all heads have features, or one head.
    pub q_norm: Range<usize>,
    pub k_norm: Range<usize>,
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
    pub(super) fn sums(&self) -> [Range<usize>; 7] {
        let whole = |norm: &Pair| norm.weight.start..norm.bias.end;
        let bias = |pair: &Pair| pair.bias.clone();
        [
            whole(&self.norm1),
            bias(&self.qkv),
            self.q_norm.start..self.k_norm.end,
            bias(&self.out),
            whole(&self.norm2),
            bias(&self.up),
            bias(&self.down),
        ]
    }
}

/// An architecture as numbers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Map {
    pub causal: bool,
    /// Whether a block's halves read their input through a norm and a norm ends the trunk; else norms follow the sums (BERT).
    pub pre: bool,
    pub vocab: usize,
    pub width: usize,
    pub n_heads: usize,
    pub n_kv_heads: usize,
    /// Features of a head.
    pub head: usize,
    pub inner: usize,
    pub feed: Feed,
    /// How queries and keys turn with their position.
    pub rope: Option<Rope>,
    /// How many of a head's features turn.
    pub n_turned: usize,
    /// Whether both halves of a block read its input.
    pub parallel: bool,
    /// Whether queries and keys have norms.
    pub qk_norm: bool,
    /// Whether a block's norms follow its halves.
    pub norm_after: bool,
    /// How many tokens a query sees, its own included, if not all before it.
    pub window: Option<usize>,
    /// Blocks that see another window and turn by another rope than the others.
    pub local: Option<Local>,
    /// What an encoder's features are.
    pub pooling: Pooling,
    pub eps: f32,
    pub token: Range<usize>,
    /// What next tokens are read by: the token embedding, or a matrix behind it.
    pub unembed: Range<usize>,
    /// Empty where positions turn queries and keys.
    pub position: Range<usize>,
    /// Empty in a causal trunk and in MPNet.
    pub types: Range<usize>,
    /// What scores get for their distance, `[buckets, heads]`; empty but in MPNet.
    pub relative: Range<usize>,
    /// The embedding's norm (BERT) or the last one (causal).
    pub norm: Pair,
    /// The last norm where the embedding has one too (ModernBERT).
    pub ends: Pair,
    /// What layer norms add that have no bias; empty where norms have one, or are RMS norms.
    pub zeros: Vec<f32>,
    pub layers: Vec<Layer>,
    pub n_params: usize,
}

/// What differs in blocks that see a window alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Local {
    pub rope: Rope,
    /// As [`Map::window`], on either side.
    pub window: usize,
    /// All blocks are local but every so many-th, from the first on.
    pub every: usize,
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
        let of_tokens = self.tokens_end().max(self.position.end);
        of_tokens.max(if self.causal { 0 } else { self.norm.bias.end })
    }

    pub(super) fn new(arch: &Arch) -> Self {
        let (vocab, width, inner) = (arch.vocab(), arch.width(), arch.inner());
        let (causal, n_heads) = (arch.is_causal(), arch.n_heads());
        let mut cursor = Cursor(0);
        let token = cursor.take(vocab * width);
        let mut map = Map {
            causal,
            pre: causal,
            vocab,
            width,
            n_heads,
            n_kv_heads: n_heads,
            head: width / n_heads.max(1),
            inner,
            feed: Feed::Gated(Gate::Silu),
            rope: None,
            n_turned: 0,
            parallel: false,
            qk_norm: false,
            norm_after: false,
            window: None,
            local: None,
            pooling: Pooling::Mean,
            eps: 0.0,
            unembed: token.clone(),
            token,
            position: 0..0,
            types: 0..0,
            relative: 0..0,
            norm: Pair::default(),
            ends: Pair::default(),
            zeros: Vec::new(),
            layers: Vec::new(),
            n_params: 0,
        };
        // Whether queries, keys and values have a bias, and whether everything else has one.
        let (mut qkv_bias, mut biases, mut qk_norms) = (true, true, [0, 0]);
        match arch {
            Arch::Causal(config) => {
                (map.feed, map.eps) = (Feed::Bent(config.activation), config.norm_eps);
                map.position = cursor.take(config.context * width);
            }
            Arch::Bert(config) => {
                (map.feed, map.eps) = (Feed::Bent(config.activation), config.norm_eps);
                map.position = cursor.take(config.context * width);
                map.types = cursor.take(config.n_token_types * width);
                map.relative = cursor.take(if config.relative { BUCKETS * n_heads } else { 0 });
                map.norm = cursor.pair(width, width);
                map.pooling = config.pooling;
            }
            Arch::Llama(config) => {
                map.head = config.head();
                map.n_turned = map.head;
                (map.norm_after, map.window) = (config.changes.norm_after, config.changes.window);
                qk_norms = config.qk_norms().unwrap_or_default();
                map.qk_norm = config.qk_norms().is_some();
                (map.rope, map.eps, map.n_kv_heads) = (Some(config.rope), config.norm_eps, config.n_kv_heads);
                (qkv_bias, biases) = (config.qkv_bias, false);
                if !config.tied {
                    map.unembed = cursor.take(vocab * width);
                }
            }
            Arch::Modern(_) => (),
            Arch::Neox(config) => {
                (map.feed, map.eps) = (Feed::Bent(config.activation), config.norm_eps);
                (map.rope, map.n_turned, map.parallel) = (Some(config.rope), config.n_turned, config.parallel);
                if !config.tied {
                    map.unembed = cursor.take(vocab * width);
                }
            }
        }
        if let Arch::Modern(config) = arch {
            (map.pre, map.feed, map.eps) = (true, Feed::Gated(Gate::Gelu(config.activation)), config.norm_eps);
            (map.rope, map.n_turned) = (Some(config.rope(false)), map.head);
            // A window has its query's own token too.
            map.local = Some(Local { rope: config.rope(true), window: config.window + 1, every: config.global_every });
            (map.norm, map.pooling, map.zeros) = (cursor.pair(width, 0), config.pooling, vec![0.0; width]);
            (qkv_bias, biases) = (false, false);
        }
        let first_norm = if matches!(arch, Arch::Modern(_)) { 0 } else { width };
        let (n_qkv, n_up, q_width) = (map.n_qkv(), map.n_up(), map.q_width());
        let some = |biased: bool, n: usize| if biased { n } else { 0 };
        map.layers = (0..arch.n_layers())
            .map(|nth| Layer {
                nth,
                norm1: cursor.pair(if nth == 0 { first_norm } else { width }, some(biases, width)),
                qkv: cursor.pair(n_qkv * width, some(qkv_bias, n_qkv)),
                q_norm: cursor.take(qk_norms[0]),
                k_norm: cursor.take(qk_norms[1]),
                out: cursor.pair(width * q_width, some(biases, width)),
                norm2: cursor.pair(width, some(biases, width)),
                up: cursor.pair(n_up * width, some(biases, n_up)),
                down: cursor.pair(width * inner, some(biases, width)),
            })
            .collect();
        if causal {
            map.norm = cursor.pair(width, some(biases, width));
        } else if map.pre {
            map.ends = cursor.pair(width, 0);
        }
        map.n_params = cursor.0;
        map
    }

    /// Features of all heads' queries.
    pub(super) fn q_width(&self) -> usize {
        self.n_heads * self.head
    }

    /// Features of all heads' keys, and of their values.
    pub(super) fn kv(&self) -> usize {
        self.n_kv_heads * self.head
    }

    /// Features of queries, keys and values together.
    pub(super) fn n_qkv(&self) -> usize {
        self.q_width() + 2 * self.kv()
    }

    /// Features of a feed-forward layer's first half: a gated one's gate has as many as what it opens.
    pub(super) fn n_up(&self) -> usize {
        if self.is_gated() { 2 * self.inner } else { self.inner }
    }

    /// Whether one half of a feed-forward layer's features opens the other.
    pub(super) fn is_gated(&self) -> bool {
        matches!(self.feed, Feed::Gated(_))
    }

    /// Whether a block sees a window alone where others do not.
    pub(super) fn is_local(&self, nth: usize) -> bool {
        self.local.is_some_and(|local| nth.checked_rem(local.every) != Some(0))
    }

    /// How many tokens a query of a block sees, if not all that the mask lets it.
    pub(super) fn window_of(&self, nth: usize) -> Option<usize> {
        self.local.filter(|_| self.is_local(nth)).map_or(self.window, |local| Some(local.window))
    }

    /// The norm behind the last block, where there is one.
    pub(super) fn last_norm(&self) -> Option<&Pair> {
        self.pre.then_some(if self.causal { &self.norm } else { &self.ends })
    }

    /// Where the embeddings of tokens, on the way in and out, end.
    pub(super) fn tokens_end(&self) -> usize {
        self.token.end.max(self.unembed.end)
    }

    /// Parameters but for the embeddings of tokens and positions.
    pub(super) fn n_block(&self) -> usize {
        self.n_params - self.tokens_end() - self.position.len()
    }

    /// Whether operations split their work over the pool.
    pub(super) fn is_big(&self) -> bool {
        self.n_block() > BIG
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::arch::{BertConfig, CausalConfig, Changes, LlamaConfig, NeoxConfig, QkNorm};

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
            pooling: Pooling::Mean,
        };
        let mpnet = BertConfig { n_token_types: 0, relative: true, ..bert.clone() };
        let llama = LlamaConfig {
            vocab: 11,
            context: 7,
            width: 12,
            n_layers: 2,
            n_heads: 6,
            n_kv_heads: 2,
            inner: 10,
            norm_eps: 1e-5,
            rope: Rope { theta: 1e4, scaling: None },
            qkv_bias: false,
            tied: true,
            changes: Changes::default(),
        };
        let qwen = LlamaConfig { qkv_bias: true, tied: false, ..llama.clone() };
        let changes = Changes { head: Some(4), qk_norm: QkNorm::Heads, ..Changes::default() };
        let qwen3 = LlamaConfig { changes, ..llama.clone() };
        let olmo = LlamaConfig { changes: Changes { qk_norm: QkNorm::Whole, ..changes }, ..llama.clone() };
        let neox = NeoxConfig {
            vocab: 11,
            context: 7,
            width: 12,
            n_layers: 2,
            n_heads: 2,
            inner: 10,
            activation: Activation::GeluErf,
            norm_eps: 1e-5,
            rope: llama.rope,
            n_turned: 2,
            parallel: true,
            tied: false,
            headless: false,
        };
        let llamas = [llama, qwen, qwen3, olmo].map(Arch::Llama);
        let others = [Arch::Causal(causal), Arch::Bert(bert), Arch::Bert(mpnet), Arch::Neox(neox)];
        let archs = others.into_iter().chain(llamas);
        for arch in archs {
            let (map, layout) = (Map::new(&arch), arch.layout());
            assert_eq!(map.n_params, layout.n_params);
            let found = |name: &str| {
                let entry = layout.find(name)?;
                Some(entry.offset..entry.offset + entry.shape.iter().product::<usize>())
            };
            let range = |name: &str| found(name).expect("the layout has it");
            let pair = |name: &str| {
                let weight = range(&format!("{name}.weight"));
                Pair { bias: found(&format!("{name}.bias")).unwrap_or(weight.end..weight.end), weight }
            };
            assert_eq!((&map.token, &map.position), (&range("embed.token"), &found("embed.position").unwrap_or(0..0)));
            assert_eq!(map.unembed, found("embed.out").unwrap_or(map.token.clone()));
            assert_eq!(map.blocks_start(), range("0.norm1.weight").start);
            assert_eq!(map.norm, pair(if map.causal { "norm" } else { "embed.norm" }));
            for (idx, layer) in map.layers.iter().enumerate() {
                let named = |name: &str| pair(&format!("{idx}.{name}"));
                let behind = |name: &str| named(name).bias.end..named(name).bias.end;
                let expected = Layer {
                    nth: idx,
                    norm1: named("norm1"),
                    q_norm: found(&format!("{idx}.q_norm.weight")).unwrap_or(behind("qkv")),
                    k_norm: found(&format!("{idx}.k_norm.weight")).unwrap_or(behind("qkv")),
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
