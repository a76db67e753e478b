use super::super::checkpoint::testing::{lab_in, on, state_file, stop_at};
use super::super::options::Says;
use super::*;
use crate::core::explain::Explain;
use crate::data::Split;
use crate::models::testing::{prompt, rows as data, tiny, tiny_bert, tiny_llama};
use crate::models::trunk::{Tape, lm_step};

/// Thirty-two rows: an odd word is followed by one that its prompt decides.
fn pairs() -> Data {
    let row = |n: usize| prompt(&format!("w{} w{}", n % 5, 5 + n % 4), &[&format!(" w{} .", 10 + n % 4)]);
    data((0..32).map(row).collect(), Split::Train)
}

fn recipe() -> GenerativeRecipe {
    GenerativeRecipe { epochs: Some(20), batch: 8, lr: Some(1e-2), ..GenerativeRecipe::default() }
}

fn trained(model: &Model, data: &Data, recipe: &GenerativeRecipe) -> Model {
    finetune_generative(model, data, recipe, &Context::for_tests()).expect("trains")
}

/// The gradient of the tokens that count, by finite differences; and where all count, that of every position.
#[test]
fn the_loss_is_about_the_tokens_that_count() {
    for model in [tiny(0), tiny_llama(1)] {
        let (arch, params) = (&model.inner.arch, &model.inner.params.values);
        let batch = Packed::new([&[1u32, 2, 3, 4, 5][..], &[6, 7, 8], &[9, 10, 11, 12]]);
        let counted = [false, false, false, true, true, true, false, true, false, true, false, true];
        let (mut grads, mut tape) = (vec![0.0; params.len()], Tape::new());
        let loss = |params: &[f32]| {
            lm_step_on(arch, params, &batch, Some(&counted), &mut Tape::new(), &mut vec![0.0; params.len()])
        };
        let at = lm_step_on(arch, params, &batch, Some(&counted), &mut tape, &mut grads);
        assert_eq!(at, loss(params));
        // A row's own first token never counts, so five of the seven flags do.
        let single = |row: &[u32]| {
            lm_step_on(
                arch,
                params,
                &Packed::new([row]),
                Some(&vec![true; row.len()]),
                &mut Tape::new(),
                &mut vec![0.0; params.len()],
            )
        };
        let last =
            |row: &[u32]| (row.len() - 1) as f64 * single(row) - (row.len() - 2) as f64 * single(&row[..row.len() - 1]);
        let exact = (last(&[1, 2, 3, 4])
            + last(&[1, 2, 3, 4, 5])
            + last(&[6, 7, 8])
            + single(&[9, 10])
            + last(&[9, 10, 11, 12]))
            / 5.0;
        assert!((at - exact).abs() < 1e-4, "{at} and {exact}");
        let mut random = Random::new(0, "entries");
        for _ in 0..60 {
            let entry = random.below(params.len());
            let moved = |by: f32| {
                let mut params = params.clone();
                params[entry] += by;
                loss(&params)
            };
            let slope = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            assert!((slope - f64::from(grads[entry])).abs() < 2e-3, "entry {entry}: {slope} and {}", grads[entry]);
        }
        let (mut all, mut every) = (vec![0.0; params.len()], vec![0.0; params.len()]);
        let one = lm_step_on(arch, params, &batch, Some(&[true; 12]), &mut Tape::new(), &mut all);
        assert_eq!(one, lm_step(arch, params, &batch, &mut Tape::new(), &mut every));
        assert!(all == every);
        assert!(lm_step_on(arch, params, &batch, Some(&[true; 3]), &mut Tape::new(), &mut all).is_nan());
        assert!(lm_step_on(arch, params, &batch, Some(&[false; 12]), &mut Tape::new(), &mut all).is_nan());
    }
}

#[test]
fn answers_are_learned_and_prompts_only_where_asked() {
    let rows = pairs();
    let ctx = Context::for_tests();
    let perplexity = |model: &Model| super::super::perplexity(model, &rows, &ctx).expect("scored");
    let texts =
        data((0..5).flat_map(|a| (0..4).map(move |b| format!("w{a} w{}", 5 + b).into())).collect(), Split::Train);
    let of_prompts = |model: &Model| super::super::perplexity(model, &texts, &ctx).expect("scored");
    for model in [tiny(0), tiny_llama(0)] {
        let answers = trained(&model, &rows, &recipe());
        assert!(perplexity(&answers) < 1.5 && perplexity(&model) > 10.0, "{}", perplexity(&answers));
        assert!(of_prompts(&answers) > 6.0, "prompts were not learned: {}", of_prompts(&answers));
        let all = trained(&model, &rows, &GenerativeRecipe { loss_on: LossOn::Everything, ..recipe() });
        // Four words follow each first one.
        assert!((3.5..6.0).contains(&of_prompts(&all)), "{}", of_prompts(&all));
        assert!(answers.inner.head.is_none() && answers.inner.digest != all.inner.digest);
        assert!(answers.inner.lineage.ends_with("finetuned generatively on 32 rows of toy"));
        // Adapters learn it too, and what they do not touch stays.
        let lora = Some(Lora { rank: 4, alpha: 8.0 });
        let adapted = trained(&model, &rows, &GenerativeRecipe { lora, lr: Some(3e-2), epochs: Some(60), ..recipe() });
        // Embeddings as small as these, which stay, let no token be likelier than about a fifth.
        assert!(perplexity(&adapted) < 0.6 * perplexity(&model), "{}", perplexity(&adapted));
        let embeddings = model.inner.arch.vocab() * model.inner.arch.width();
        assert_eq!(adapted.inner.params.values[..embeddings], model.inner.params.values[..embeddings]);
    }
}

#[test]
fn a_run_that_was_ended_goes_on_to_the_same_bits_on_any_number_of_threads() {
    let (model, rows) = (tiny(0), pairs());
    let bits = |model: Model| model.inner.params.values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    for lora in [None, Some(Lora { rank: 2, alpha: 2.0 })] {
        let recipe = GenerativeRecipe { lora, ..recipe() };
        let whole = bits(on(1, || trained(&model, &rows, &recipe)));
        assert!(bits(on(3, || trained(&model, &rows, &recipe))) == whole);
        assert!(bits(trained(&model, &rows, &GenerativeRecipe { recompute: true, ..recipe.clone() })) == whole);
        let folder = tempfile::tempdir().expect("a folder");
        let ctx = lab_in(folder.path());
        stop_at(&ctx, 30);
        let stopped = finetune_generative(&model, &rows, &recipe, &ctx);
        assert!(stopped.is_err_and(|error| error.is_interruption()));
        assert!(state_file(folder.path()).is_some());
        for _ in 0..2 {
            let again =
                finetune_generative(&model, &rows, &recipe, &lab_in(folder.path())).expect("goes on, then stored");
            assert!(bits(again) == whole);
        }
    }
}

#[test]
fn every_option_is_in_the_derivation() {
    let (model, rows, plain) = (tiny(0), pairs(), recipe());
    let digest = |recipe: &GenerativeRecipe| {
        let settled = recipe.settled(&model, rows.len()).expect("fits");
        Generative { trained: Trained { model: &model, adapters: None }, data: &rows, recipe: &settled }.digest()
    };
    let variants = GenerativeRecipe { epochs: None, steps: Some(7), ..plain.clone() }.variants();
    for (name, says, changed) in variants {
        let changed = if name == "epochs" { GenerativeRecipe { steps: None, ..changed } } else { changed };
        let first = GenerativeRecipe { epochs: None, steps: Some(7), ..plain.clone() };
        assert_eq!(digest(&changed) == digest(&first), says == Says::NoDigest, "`{name}`");
    }
}

#[test]
fn what_cannot_be_trained_on_is_refused() {
    let fails = |model: &Model, data: &Data, recipe: GenerativeRecipe| {
        finetune_generative(model, data, &recipe, &Context::for_tests()).err().expect("refused").to_string()
    };
    let test = data(vec!["w1 w2".into()], Split::Test);
    assert!(fails(&tiny(0), &test, recipe()).contains("test rows"));
    assert!(fails(&tiny_bert(0), &pairs(), recipe()).contains("so it cannot be finetuned generatively"));
    let short = data(vec!["w1 w2".into(), "w1".into()], Split::Train);
    assert!(fails(&tiny(0), &short, recipe()).contains("no token of the row `r1`"));
    assert!(
        fails(&tiny(0), &pairs(), GenerativeRecipe { steps: Some(3), ..recipe() })
            .contains("give one of `epochs` and `steps`")
    );
    let lora = Some(Lora { rank: 99, alpha: 1.0 });
    assert!(fails(&tiny(0), &pairs(), GenerativeRecipe { lora, ..recipe() }).contains("`rank` must be from 1 to 16"));
}
