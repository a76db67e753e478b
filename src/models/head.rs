//! Heads: what a trunk's features are classified by, and the names of the classes.

use super::{Model, ModelError};
use crate::core::digest::Digest;
use std::sync::Arc;

/// A head without bias: `outputs = features · weightᵀ`, for each sequence that the trunk reads.
#[derive(Debug, Clone)]
pub struct Head {
    /// Row-major `[n_classes, width]`.
    pub weight: Vec<f32>,
    /// Outputs for each sequence: 1 of a scalar head.
    pub n_classes: usize,
    pub kind: HeadKind,
    /// What the classes are called, in order of their index; none in a checkpoint from before names were kept.
    pub classes: Option<Arc<[String]>>,
}

/// What a head's outputs are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadKind {
    /// A logit for each class.
    Class,
    /// One score for each sequence. The scores of a row's continuations are the row's logits, so that cross-entropy on
    /// them is the likelihood of Bradley and Terry (1952), of Plackett and Luce's first choice where there are more than two.
    Scalar,
}

impl Head {
    /// A head over these classes.
    pub fn new(weight: Vec<f32>, classes: &[String]) -> Head {
        Head { weight, n_classes: classes.len(), kind: HeadKind::Class, classes: Some(classes.into()) }
    }

    /// A head that gives one score for each sequence.
    pub fn scalar(weight: Vec<f32>) -> Head {
        Head { weight, n_classes: 1, kind: HeadKind::Scalar, classes: None }
    }
}

impl Model {
    /// What the head's classes are called, where it has one and that is known.
    pub fn classes(&self) -> Option<&[String]> {
        self.inner.head.as_ref()?.classes.as_deref()
    }

    /// The same model with the head's rows in the order of `classes`, which are the classes of `data`. Fails where the head
    /// has other names. A head without names is read by index; a model without a head stays as it is.
    pub fn in_classes(&self, classes: &[String], data: &str) -> Result<Model, ModelError> {
        let Some((head, names)) = self.inner.head.as_ref().and_then(|head| Some((head, head.classes.as_ref()?))) else {
            return Ok(self.clone());
        };
        if **names == *classes {
            return Ok(self.clone());
        }
        let width = self.inner.arch.width();
        let rows: Vec<&[f32]> = head.weight.chunks_exact(width.max(1)).collect();
        let row_of = |class: &String| names.iter().position(|name| name == class).and_then(|at| rows.get(at).copied());
        let moved: Option<Vec<&[f32]>> = classes.iter().map(row_of).collect();
        let Some(moved) = moved.filter(|_| classes.len() == names.len()) else {
            return Err(ModelError::OtherClasses {
                name: self.inner.name.clone(),
                ours: names.to_vec(),
                data: data.to_owned(),
                theirs: classes.to_vec(),
            });
        };
        let digest = Digest::of("model/in_classes", 1).digest("model", self.inner.digest);
        let digest = classes.iter().fold(digest, |digest, class| digest.text("class", class)).finish();
        let head = Head::new(moved.concat(), classes);
        Ok(self.with(|model| {
            model.head = Some(Arc::new(head));
            model.digest = digest;
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::tiny;
    use super::*;
    use crate::core::explain::Explain;

    #[test]
    fn rows_of_the_head_follow_the_names() {
        let names = |list: [&str; 2]| list.map(str::to_owned);
        let width = tiny(0).inner.arch.width();
        let weight: Vec<f32> = (0..2 * width).map(|at| at as f32).collect();
        let model = tiny(0).with(|m| m.head = Some(Arc::new(Head::new(weight.clone(), &names(["neg", "pos"])))));
        let turned = model.in_classes(&names(["pos", "neg"]), "rows").expect("the same names");
        let head = turned.inner.head.as_ref().expect("a head");
        assert_eq!((&head.weight[..width], &head.weight[width..]), (&weight[width..], &weight[..width]));
        assert_ne!(turned.inner.digest, model.inner.digest);
        assert_eq!(
            model.in_classes(&names(["neg", "pos"]), "rows").expect("the same").inner.digest,
            model.inner.digest
        );
        let error = model.in_classes(&names(["no", "yes"]), "rows").err().expect("other names");
        assert_eq!(error.to_string(), "`tiny` was trained on the classes `neg`, `pos`, `rows` has `no`, `yes`");
        assert!(error.hint().is_some());
        let unnamed = Head { weight, n_classes: 2, kind: HeadKind::Class, classes: None };
        let model = model.with(|m| m.head = Some(Arc::new(unnamed)));
        assert_eq!(model.in_classes(&names(["no", "yes"]), "rows").expect("by index").inner.digest, model.inner.digest);
    }
}
