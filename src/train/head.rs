//! Where the head of a finetuning starts: at zero, at the head that the model has, or at what it reads next tokens by.

use super::{HeadStart, Recipe, TrainError};
use crate::models::{HeadKind, Model};

/// Outputs of a head for each sequence: a logit for each class, or one score.
pub(super) fn n_outputs(kind: HeadKind, n_classes: usize) -> usize {
    if kind == HeadKind::Scalar { 1 } else { n_classes }
}

/// The head that a finetuning starts from, row-major `[outputs, width]`.
pub(super) fn first_head(
    model: &Model,
    kind: HeadKind,
    n_classes: usize,
    recipe: &Recipe,
) -> Result<Vec<f32>, TrainError> {
    let n = n_outputs(kind, n_classes);
    if !recipe.head_tokens.is_empty() {
        return head_of_tokens(model, kind, n_classes, &recipe.head_tokens);
    }
    match (recipe.head, &model.inner.head) {
        (HeadStart::Zero, _) => Ok(vec![0.0; n * model.inner.arch.width()]),
        (HeadStart::Keep, Some(head)) if head.kind == kind && head.n_classes == n => Ok(head.weight.clone()),
        (HeadStart::Keep, Some(head)) if head.kind != kind => {
            let why = match kind {
                HeadKind::Scalar => "the model's head classifies, and the data asks for preferences",
                HeadKind::Class => "the model's head scores, and the data asks for classes",
            };
            Err(TrainError::KeepHead { why: why.to_owned() })
        }
        (HeadStart::Keep, Some(head)) => {
            let why = format!("the model's head has {} classes, the data {n_classes}", head.n_classes);
            Err(TrainError::KeepHead { why })
        }
        (HeadStart::Keep, None) => Err(TrainError::KeepHead { why: "the model has no head".to_owned() }),
    }
}

/// The rows by which the model reads these next tokens, one for each class (Burns et al. 2023: those of "0" and "1").
fn head_of_tokens(model: &Model, kind: HeadKind, n_classes: usize, tokens: &[String]) -> Result<Vec<f32>, TrainError> {
    let inner = &model.inner;
    let refused = |why: String| TrainError::HeadTokens { why };
    if !inner.arch.is_causal() {
        return Err(refused(format!("`{}` is a bidirectional encoder, which predicts no next token", inner.name)));
    }
    if kind == HeadKind::Scalar || tokens.len() != n_classes {
        let asked = if kind == HeadKind::Scalar { "preferences".to_owned() } else { format!("{n_classes} classes") };
        return Err(refused(format!("{} tokens were given, and the data asks for {asked}", tokens.len())));
    }
    let layout = &inner.params.layout;
    let width = inner.arch.width();
    let place = layout.find("embed.out").or_else(|| layout.find("embed.token")).map_or(0, |entry| entry.offset);
    let row = |text: &String| {
        let encoded = inner.encoder.tokenizer().encode_fast(text.as_str(), false).ok();
        let ids = encoded.map(|encoded| encoded.get_ids().to_vec()).unwrap_or_default();
        let &[id] = ids.as_slice() else {
            return Err(refused(format!("{text:?} is {} tokens of `{}`, not one", ids.len(), inner.name)));
        };
        if inner.encoder.token_text(id).trim() != text.trim() {
            return Err(refused(format!("{text:?} is not a token of `{}`", inner.name)));
        }
        let from = place + id as usize * width;
        Ok(inner.params.values.get(from..from + width).unwrap_or_default().to_vec())
    };
    Ok(tokens.iter().map(row).collect::<Result<Vec<_>, _>>()?.concat())
}
