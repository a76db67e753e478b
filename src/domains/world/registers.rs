//! The other register of a text: a rephrasing that means the same.

use super::World;
use super::lexicon::{Lexicon, N_GENDERS, N_REGISTERS, Particle};

const PARTICLES: [Particle; 6] =
    [Particle::Is, Particle::And, Particle::But, Particle::Not, Particle::Hardly, Particle::That];

impl World {
    /// A text with every function word in the other register's spelling (`the`, `thee`); all other words stay, as do words that the
    /// world does not have. Twice gives the text again.
    pub fn rephrased(&self, text: &str) -> String {
        let spelled: Vec<&str> =
            text.split_whitespace().map(|word| self.other_spelling(word).unwrap_or(word)).collect();
        spelled.join(" ")
    }

    fn other_spelling(&self, word: &str) -> Option<&'static str> {
        let words = &self.lexicon().function_words;
        let at = |token: u32| words.get(token as usize).copied();
        let genders = (0..N_GENDERS).map(|gender| [0, 1].map(|register| Lexicon::determiner(register, gender)));
        let particles = PARTICLES.into_iter().map(|word| [0, 1].map(|register| Lexicon::particle(register, word)));
        const { assert!(N_REGISTERS == 2) };
        genders.chain(particles).find_map(|[plain, old]| match word {
            _ if at(plain) == Some(word) => at(old),
            _ if at(old) == Some(word) => at(plain),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::domains::world::{World, WorldOptions};

    #[test]
    fn a_text_is_spelled_in_the_other_register_and_back() {
        let world = World::new(WorldOptions::default()).expect("a world");
        let noun = &world.lexicon().nouns[3].text;
        let plain = format!("the {noun} is not hardly tho {noun} that and but tha thi .");
        let old = format!("thee {noun} ys nott hardlie thoe {noun} thatte ande butte thae thie .");
        assert_eq!(world.rephrased(&plain), old);
        assert_eq!(world.rephrased(&old), plain);
        assert_eq!(world.rephrased("no such words"), "no such words");
        let mut n_changed = 0;
        for text in world.texts(5, 200) {
            let other = world.rephrased(&text);
            n_changed += usize::from(other != text);
            assert_eq!(world.rephrased(&other), text);
        }
        assert_eq!(n_changed, 200, "every document has a function word");
    }
}
