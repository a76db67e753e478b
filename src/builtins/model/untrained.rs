//! `model::untrained`

use crate::bind::prelude::*;
use crate::data::Data;
use crate::models::{Blueprint, Family, ModelError, Size, untrained};

options! {
    /// Options of `model::untrained`.
    pub struct UntrainedOptions {
        /// `causal` (as GPT-2), `bert`, `mpnet` or `llama`.
        architecture: String = "causal".to_owned(),
        /// Numbers per token.
        width: usize = 16,
        /// Blocks.
        layers: usize = 2,
        /// Attention heads; they divide the width.
        heads: usize = 2,
        /// The longest row in tokens; longer ones are cut to their end.
        context: usize = 64,
        /// Draws the parameters; left out, the session's.
        seed: Option<u64> = None,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("model", "untrained", run)
        .about("A model with random parameters that reads the words of a data set: the baseline of no pretraining.")
        .details(
            "A GPT-2 block structure with a feed-forward width of four times `width`, or that of another architecture (a Llama's \
             gated layer has 8/3 of `width`); the tokenizer knows the words and punctuation marks of the data's texts, the 65 536 \
             most frequent ones. BERT and MPNet read a row from both sides and take the mean over its tokens.",
        )
        .param::<Data>("data", "whose words the model reads")
        .options::<UntrainedOptions>()
        .returns("Model")
        .example(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n\
             model::untrained(rows, #{ width: 8, layers: 1, seed: 0 })",
            "Model untrained-8x1: causal, 1 layer × width 8, 1 432 parameters, no head; random parameters of seed 0",
        )
        .example(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n\
             model::untrained(rows, #{ architecture: \"llama\", width: 12, layers: 1, seed: 0 })",
            "Model untrained-12x1: llama, 1 layer × width 12, 1 812 parameters, no head; random parameters of seed 0",
        )
        .fails(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n\
             model::untrained(rows, #{ architecture: \"rnn\" })",
            "`architecture` must be causal, bert, mpnet or llama, got `rnn`",
        )
        .fails(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n\
             model::untrained(rows, #{ width: 9 })",
            "`heads` must be a divisor of the width 9",
        )
}

fn run(call: &mut Call) -> Answer {
    let data: Data = call.arg(0)?;
    let options: UntrainedOptions = call.options()?;
    let family = Family::parse(&options.architecture)?;
    let UntrainedOptions { width, layers: n_layers, heads: n_heads, context, seed, .. } = options;
    let size = Size { width, n_layers, n_heads, context };
    let made = untrained(&data, Blueprint { family, size }, call.ctx().seed(seed)).map_err(of_options)?;
    Ok(Dynamic::from(made))
}

/// An error of the architecture in the words of the options that it was made from.
fn of_options(error: ModelError) -> Fault {
    let said = match &error {
        ModelError::Arch { field, must, got } => {
            let option = field.strip_prefix("n_").unwrap_or(field);
            Some(format!("`{option}` must be {must}, got `{got}`"))
        }
        _ => None,
    };
    let mut fault = Fault::from(error);
    if let Some(said) = said {
        fault.message = said;
    }
    fault
}
