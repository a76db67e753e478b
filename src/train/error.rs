//! What can go wrong in training and labelling.

use super::LossError;
use crate::core::context::Interrupted;
use crate::core::explain::explained;
use crate::data::DataError;
use crate::domains::preference::loss::PairLossError;
use crate::frames::FrameError;
use crate::models::ModelError;
use crate::models::trunk::TrunkError;
use crate::store::StoreError;

explained! {
    /// An error of this room.
    #[derive(Debug, Clone, thiserror::Error)]
    pub enum TrainError {
        #[error(
            "`{data}` has {n_test} test rows among its {n_rows}, the first with id `{id}`: training on them is refused"
        )]
        #[code("train/test-rows")]
        #[hint("use the train side: data.train")]
        TestRows { data: String, n_test: usize, n_rows: usize, id: String },
        #[error(
            "`{model}` was trained on {n} of the {n_test} test rows of `{data}`, under another draw of its split, the first with id `{id}`"
        )]
        #[code("train/seen-rows")]
        #[hint("predict with the draw it was trained on (the same seed of data::load), or state the test rows in a column `split`")]
        SeenRows { model: String, data: String, n: usize, n_test: usize, id: String },
        #[error("`{of}` has no rows")]
        #[code("train/no-rows")]
        NoRows { of: &'static str },
        #[error(
            "{n_missing} of {n_rows} rows of `data` have no label among the {n_labels} of `labels`, the first with id `{id}`"
        )]
        #[code("train/missing-labels")]
        #[hint("label these rows too, or train on the labelled ones alone: data.filter(labels)")]
        MissingLabels { id: String, n_missing: usize, n_rows: usize, n_labels: usize },
        #[error(
            "`labels` contradicts itself at the row `{id}`: its `label` is {label}, its largest probability p{largest}"
        )]
        #[code("train/contradiction")]
        #[hint("training reads p0, p1, …: change those, and drop `label` or change it with them")]
        Contradiction { id: String, label: usize, largest: usize },
        #[error("`labels` has {n_labels} classes, `data` has {n_data}")]
        #[code("train/classes")]
        Classes { n_labels: usize, n_data: usize },
        #[error("`labels` gives the row `{id}` the weight {got}: a weight must be 0, or from 1e-9 to 1e9")]
        #[code("train/weight")]
        Weight { id: String, got: f64 },
        #[error("`labels` gives each of the {n_rows} rows of `data` the weight 0: nothing is left to train on")]
        #[code("train/weight")]
        NoWeight { n_rows: usize },
        #[error("`{option}` must be {must}, got `{got}`")]
        #[code("train/option")]
        Range { option: &'static str, must: String, got: String },
        #[error("the checkpoint `{step}` is not among the steps `1` to `{steps}`")]
        #[code("pretrain/checkpoint")]
        Checkpoint { step: usize, steps: usize },
        #[error("the vocabulary of the model `{model}` is not this world's")]
        #[code("pretrain/other-words")]
        OtherWords { model: String },
        #[error("`{option}` shares {n} rows with the training data, the first with id `{id}`: held-out rows must not be trained on")]
        #[code("train/validation")]
        #[hint("split off rows first: let parts = data.split(…)")]
        NotHeldOut { option: &'static str, n: usize, id: String },
        #[error("`validation` has {n_test} test rows, the first with id `{id}`: early stopping must not use test rows")]
        #[code("train/validation")]
        #[hint("to stop by the truth of test rows, on the record: oracle_validation")]
        ValidationTestRows { n_test: usize, id: String },
        #[error("the labels of `validation` have a column `weight`, which only training uses")]
        #[code("train/validation")]
        #[hint("labels.drop(\"weight\")")]
        ValidationWeights,
        #[error("`validation` and `oracle_validation` both ask for `keep: \"best\"`")]
        #[code("train/option")]
        #[hint("give keep: \"last\" to the one that is only to be recorded")]
        TwoBest,
        #[error("`auroc` of `{option}` is not defined: {why}")]
        #[code("train/validation")]
        #[hint("metric: \"accuracy\" or \"loss\"")]
        NoAuroc { option: &'static str, why: String },
        #[error("give one of `epochs` and `steps`, got {epochs} epochs and {steps} steps")]
        #[code("train/option")]
        EpochsAndSteps { epochs: usize, steps: usize },
        #[error("{epochs} epochs of {n_rows} rows are {steps} steps, at most {most} are allowed")]
        #[code("train/option")]
        TooManySteps { epochs: usize, n_rows: usize, steps: usize, most: usize },
        #[error("the optimizer `adam` has no weight decay, got `weight_decay` `{weight_decay}`")]
        #[code("train/option")]
        #[hint("optimizer: \"adamw\"")]
        AdamDecay { weight_decay: f64 },
        #[error("`{option}` applies to training the trunk, which `linear_probe` freezes")]
        #[code("train/option")]
        #[hint("leave one of the two out")]
        Frozen { option: &'static str },
        #[error("`head` is \"keep\", but {why}")]
        #[code("train/option")]
        #[hint("leave `head` out: it starts at zero")]
        KeepHead { why: String },
        #[error("no head can start from `head_tokens`: {why}")]
        #[code("train/option")]
        #[hint("name one token for each class: model.next_tokens(\"…\") shows some")]
        HeadTokens { why: String },
        #[error("training diverged at step {step} of {steps}: the {what} is not finite (lr {lr:?})")]
        #[code("train/diverged")]
        #[hint(format!("try a lower rate, such as lr: {:.0e}", lr / 10.0))]
        Diverged { step: usize, steps: usize, what: &'static str, lr: f64 },
        #[error("`{model}` is a bidirectional encoder: it does not predict next tokens, so it cannot {asked}")]
        #[code("model/not-causal")]
        #[hint("take a causal model: one of model::ladder(\"world\"), or a Llama")]
        Speechless { model: String, asked: &'static str },
        #[error("models {asked} only on the CPU, not on `{device}`")]
        #[code("model/device")]
        #[hint("leave --device out")]
        CpuOnly { asked: &'static str, device: String },
        #[error("the prompt `{id}` has no tokens: there is nothing to continue")]
        #[code("generate/prompt")]
        #[hint("give the prompt `{id}` a text")]
        EmptyPrompt { id: String },
        #[error(
            "the prompt `{id}` has {n_tokens} tokens, and `{model}` reads {max_tokens}: that leaves no room to continue it"
        )]
        #[code("generate/prompt")]
        #[hint("shorten it to less than {max_tokens} tokens")]
        LongPrompt { id: String, n_tokens: usize, model: String, max_tokens: usize },
        #[error("`stop` has {stop:?}, which the tokenizer of `{model}` never writes")]
        #[code("generate/stop")]
        #[hint("name a text that the model can write, or stop at max_new_tokens")]
        Stop { stop: String, model: String },
        #[error("{}", nothing_predicted(.id, .n_rows))]
        #[code("model/nothing-to-predict")]
        NothingPredicted { id: String, n_rows: usize },
        #[error("`{data}` has one continuation a row: there is nothing to choose from")]
        #[code("model/input")]
        #[hint("give each row `continuations`, an array of two texts or more")]
        OneContinuation { data: String },
        #[error("{n_missing} of {n_rows} rows of `features` have no label, the first with id `{id}`")]
        #[code("train/missing-labels")]
        #[hint("take the labelled rows alone: features.filter(col(\"id\").is_in(labels.column(\"id\")))")]
        UnlabelledFeatures { id: String, n_missing: usize, n_rows: usize },
        #[error("`{of}` has no features: the columns `x0`, `x1`, … are missing")]
        #[code("train/features")]
        #[hint(format!("`model.features(rows)` gives them; columns here: {}", columns.join(", ")))]
        NoFeatures { of: &'static str, columns: Vec<String> },
        #[error("`features` has {n_features} features, `rows` has {n_rows}")]
        #[code("train/features")]
        FeatureWidth { n_features: usize, n_rows: usize },
        #[error("`{of}` has {got} in `{column}` of the row `{id}`, which is not a finite number")]
        #[code("train/features")]
        Feature { of: &'static str, id: String, column: String, got: f64 },
        #[error("{0}")]
        #[code("train/unfitted")]
        Unfitted(text: String),
        #[error("`{data}` has {n} continuations a row: a preference loss compares two of one prompt")]
        #[code("model/input")]
        #[hint(if *n > 2 {
            "rank several with `model.finetune_rankings(rows, rankings)`, or take two `continuations` of each".to_owned()
        } else {
            "rows with `prompt`, `chosen` and `rejected`, or with `prompt` and two `continuations`".to_owned()
        })]
        NotPairs { data: String, n: usize },
        #[error("`rankings` cannot be learned from: {why}")]
        #[code("train/rankings")]
        #[hint("`id`, and `rank1`, `rank2`, …: places of the row's continuations from 0, the best first, all different; `prefer_lm::rankings` makes them")]
        Rankings { why: String },
        #[error("the loss `{loss}` uses no reference, but `reference` is given")]
        #[code("train/reference")]
        #[hint("leave `reference` out")]
        IdleReference { loss: String },
        #[error("`{reference}` and `{model}` have different tokenizers: it cannot be the reference")]
        #[code("train/reference")]
        #[hint("take a model with the same tokenizer")]
        OtherTokens { model: String, reference: String },
        #[error(
            "in every one of the {n_rows} pairs, the first with id `{id}`, both continuations are the same tokens: there is nothing to learn"
        )]
        #[code("train/alike")]
        #[hint("raise `max_tokens` if the continuations were cut")]
        AllAlike { n_rows: usize, id: String },
        #[error("all pairs have the same prompt: the estimate of the KL divergence needs continuations of another one")]
        #[code("train/reference")]
        #[hint("preference::dpo() asks for no such estimate")]
        OnePrompt,
        #[error("the loss gave {got} gradients for {expected} logits")]
        #[code("train/gradient-shape")]
        GradientShape { got: usize, expected: usize },
    }
    from { Labels(FrameError), Truth(DataError), Model(ModelError), Trunk(TrunkError), Loss(LossError), PairLoss(PairLossError), Store(StoreError), Interrupted(Interrupted) }
}

fn nothing_predicted(id: &str, n_rows: &usize) -> String {
    format!("no token of the row `{id}` has one before it that it could be predicted from (of {n_rows} rows)")
}
