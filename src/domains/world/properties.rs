//! What a text of the world has: the properties of which a golden reward of preferences is made.
//!
//! A property is a number from −1 to 1, read from the words of a text, whoever wrote them: a mean over those of its sentences that show
//! it, and 0 where none does. Three are plain to every rung of the ladder; `agreement` is hard to see for the smallest (LOG.md has figures).

use super::lexicon::{Lexicon, N_REGISTERS, Particle, Word, WordClass};
use super::{World, WorldError};

/// The properties, in the order in which they are told.
pub const PROPERTIES: [&str; 4] = [
    // 1 where the text judges high, −1 low: its adjectives, those behind `not` and `hardly` turned round, of a sentence with `but` those
    // behind it.
    "verdict",
    // 1 where its verbs are calm, −1 wild.
    "calm",
    // 1 where its nouns are of the old era, −1 of the new one.
    "old",
    // 1 in a sentence whose first and last noun are of one gender, −1 in one where they differ: two words far apart decide together.
    "agreement",
];

/// How many there are.
pub const N_PROPERTIES: usize = PROPERTIES.len();

/// How a golden reward weighs the properties of a text, and which one decides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GoldenReward {
    /// By [`PROPERTIES`].
    pub weights: [f64; N_PROPERTIES],
    /// The one in which the continuations of a pair differ while they are alike in all others; without it they differ as they come.
    pub decides: Option<usize>,
}

impl GoldenReward {
    /// From names and weights, which are added to 0; `decides` alone weighs that property 1.
    pub fn new(weights: &[(String, f64)], decides: Option<&str>) -> Result<GoldenReward, WorldError> {
        let mut reward = GoldenReward { weights: [0.0; N_PROPERTIES], decides: decides.map(place).transpose()? };
        for (name, weight) in weights {
            if !(-1e6..=1e6).contains(weight) {
                return Err(WorldError::Real { name: "properties", value: *weight, least: -1e6, most: 1e6 });
            }
            let at = place(name)?;
            reward.weights.get_mut(at).into_iter().for_each(|slot| *slot = *weight);
        }
        if let (true, Some(at)) = (weights.is_empty(), reward.decides) {
            reward.weights.get_mut(at).into_iter().for_each(|slot| *slot = 1.0);
        }
        let counts = |at: usize| reward.weights.get(at).is_some_and(|weight| *weight != 0.0);
        match reward.decides {
            Some(at) if !counts(at) => Err(WorldError::Undecided { name: name_of(at) }),
            None if !(0..N_PROPERTIES).any(counts) => Err(WorldError::NoProperty),
            _ => Ok(reward),
        }
    }

    /// The reward of a text with these properties.
    pub fn of(&self, properties: &[f64; N_PROPERTIES]) -> f64 {
        self.weights.iter().zip(properties).map(|(weight, value)| weight * value).sum()
    }
}

/// The place of the property called `name`.
fn place(name: &str) -> Result<usize, WorldError> {
    let found = PROPERTIES.iter().position(|property| *property == name);
    found.ok_or_else(|| WorldError::UnknownProperty { name: name.to_owned() })
}

fn name_of(at: usize) -> &'static str {
    PROPERTIES.get(at).copied().unwrap_or_default()
}

impl World {
    /// The properties of a text, by [`PROPERTIES`]. Words that the world does not have say nothing.
    pub fn properties(&self, text: &str) -> [f64; N_PROPERTIES] {
        let tokenizer = self.vocabulary().tokenizer();
        let tokens: Vec<u32> =
            text.split_whitespace().map(|word| tokenizer.token_to_id(word).unwrap_or(Lexicon::UNKNOWN)).collect();
        let (mut sums, mut counts) = ([0.0; N_PROPERTIES], [0_usize; N_PROPERTIES]);
        for sentence in tokens.split(|token| *token == Lexicon::STOP) {
            for (shown, (sum, count)) in
                of_sentence(self.lexicon(), sentence).iter().zip(sums.iter_mut().zip(&mut counts))
            {
                if let Some(value) = shown {
                    *sum += value;
                    *count += 1;
                }
            }
        }
        let mut means = [0.0; N_PROPERTIES];
        for (mean, (sum, count)) in means.iter_mut().zip(sums.iter().zip(counts)) {
            *mean = if count == 0 { 0.0 } else { sum / count as f64 };
        }
        means
    }
}

/// What a sentence shows.
fn of_sentence(lexicon: &Lexicon, tokens: &[u32]) -> [Option<f64>; N_PROPERTIES] {
    let is = |token: u32, particle: Particle| {
        (0..N_REGISTERS).any(|register| Lexicon::particle(register, particle) == token)
    };
    let sign = |holds: bool| if holds { 1.0 } else { -1.0 };
    let (mut judged, mut moods, mut nouns): (Vec<f64>, Vec<f64>, Vec<&Word>) = Default::default();
    let mut before = None;
    for token in tokens.iter().copied() {
        if is(token, Particle::But) {
            // What was said before it is taken back.
            judged.clear();
        }
        if let Some(word) = lexicon.word(token) {
            match word.class {
                WordClass::Noun => nouns.push(word),
                WordClass::Verb => moods.push(sign(word.value == 0)),
                WordClass::Adjective => {
                    let is_turned = before.is_some_and(|token| is(token, Particle::Not) || is(token, Particle::Hardly));
                    judged.push(sign((word.value == 1) != is_turned));
                }
            }
        }
        before = Some(token);
    }
    let mean = |values: &[f64]| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
    let eras: Vec<f64> = nouns.iter().map(|noun| sign(noun.value == 1)).collect();
    let agreement = match nouns.as_slice() {
        [first, .., last] => Some(sign(first.gender == last.gender)),
        _ => None,
    };
    [mean(&judged), mean(&moods), mean(&eras), agreement]
}

#[cfg(test)]
mod tests;
