use super::super::checkpoint::testing::{curves_and_warnings, first_done, heard, lab_in, stop_at};
use super::super::finetune::tests::task;
use super::super::{Recipe, TrainError, finetune};
use super::*;
use crate::builtins::loss::confidence::{Confidence, ConfidenceOptions};
use crate::builtins::loss::window::Window;
use crate::models::Model;
use crate::models::testing::tiny;
use crate::train::Loss;

#[test]
fn the_latest_rows_remain_and_survive_json() {
    let mut carried = Carried::default();
    assert_eq!(Carried::from_json(None), Some(Carried::default()));
    carried.look_at(&[1.0, 2.0, 3.0, 4.0], 2, 3);
    carried.look_at(&[0.1, -0.0, 5.0, f32::MIN_POSITIVE], 2, 3);
    assert_eq!(carried.earlier, [3.0, 4.0, 0.1, -0.0, 5.0, f32::MIN_POSITIVE]);
    carried.count(0, 4);
    carried.count(3, 4);
    assert_eq!(carried.kept, Some(RowsKept { n_rows: 8, n_kept: 3, n_steps: 2, n_empty: 1 }));
    let text = carried.to_json().to_string();
    let again = Carried::from_json(Some(&serde_json::from_str(&text).expect("JSON"))).expect("whole");
    assert_eq!(again, carried);
    assert!(again.earlier[3].is_sign_negative(), "to the bit");
    for damaged in ["{}", r#"{"earlier":[1.5],"kept":null}"#, r#"{"earlier":[],"kept":[1]}"#, r#"{"earlier":[]}"#] {
        assert_eq!(Carried::from_json(Some(&serde_json::from_str(damaged).expect("JSON"))), None, "{damaged}");
    }
    let mut none = Carried::default();
    none.look_at(&[1.0, 2.0], 2, 0);
    assert!(none.earlier.is_empty());
}

fn bits(model: &Model) -> Vec<u32> {
    model.inner.params.values.iter().map(|value| value.to_bits()).collect()
}

fn trained(loss: &dyn Loss, recipe: &Recipe, ctx: &Context) -> Result<Model, TrainError> {
    let (data, labels) = task(40, 0);
    finetune(&tiny(0), &data, &labels, loss, recipe, ctx)
}

#[test]
fn what_a_loss_carries_survives_an_interruption() {
    let recipe = Recipe { epochs: Some(4), batch: Some(8), accumulate: 2, lr: Some(1e-2), ..Recipe::default() };
    let options =
        ConfidenceOptions { form: "e".to_owned(), warmup_steps: Some(2), buffer: Some(13), ..Default::default() };
    let remembers = Confidence::new(&options).expect("valid");
    let forgets = Confidence::new(&ConfidenceOptions { buffer: Some(8), ..options }).expect("valid");
    let leaves_out = Window::new(Some(0.05)).expect("valid");
    let mut whole = Vec::new();
    for loss in [&remembers as &dyn Loss, &leaves_out] {
        let at_once = tempfile::tempdir().expect("a folder");
        let ctx = lab_in(at_once.path());
        let model = trained(loss, &recipe, &ctx).expect("trains");
        for ends in [vec![1], vec![9], vec![3, 4, 15]] {
            let folder = tempfile::tempdir().expect("a folder");
            for end in &ends {
                let ctx = lab_in(folder.path());
                stop_at(&ctx, *end);
                trained(loss, &recipe, &ctx).err().expect("stops");
            }
            let ctx = lab_in(folder.path());
            let events = heard(&ctx);
            let again = trained(loss, &recipe, &ctx).expect("goes on");
            assert!(first_done(&events) > ends.last().copied(), "it went on, it did not begin anew");
            assert_eq!(bits(&again), bits(&model), "{}, ended at {ends:?}", loss.show());
            assert_eq!(again.inner.recipe, model.inner.recipe, "its counts too");
        }
        whole.push(bits(&model));
    }
    let other = trained(&forgets, &recipe, &Context::for_tests()).expect("trains");
    assert_ne!(bits(&other), whole[0], "the rows before a batch count");
}

#[test]
fn a_window_that_keeps_no_row_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let recipe = Recipe { steps: Some(20), batch: Some(8), lr: Some(1e-2), ..Recipe::default() };
    let told = |radius: f64| {
        let ctx = lab_in(folder.path());
        let events = heard(&ctx);
        let model = trained(&Window::new(Some(radius)).expect("valid"), &recipe, &ctx).expect("trains");
        (curves_and_warnings(&events, "finetune").1, model.inner.recipe.clone(), bits(&model))
    };
    let none = "`loss::window(#{radius: 0.0})` kept none of the 160 rows: the training learned nothing";
    // The second time the store answers.
    for _ in 0..2 {
        let (warnings, recipe, params) = told(0.0);
        assert_eq!(warnings, [none]);
        assert!(recipe.ends_with("its loss kept 0 of 160 rows, none in 20 of 20 steps"), "{recipe}");
        assert_eq!(params, bits(&tiny(0)), "nothing was learned");
    }
    // The head starts at zero, so that at first every row is in doubt; what is learned leaves the window.
    let (warnings, recipe, _) = told(0.002);
    assert!(matches!(warnings.as_slice(), [one] if one.contains("kept no row in ")), "{warnings:?} {recipe}");
    let (warnings, recipe, _) = told(0.5);
    assert_eq!(warnings, Vec::<String>::new());
    assert!(recipe.ends_with("its loss kept 160 of 160 rows, none in 0 of 20 steps"), "{recipe}");
}

#[test]
fn midweak_is_settled_before_the_training_has_a_name() {
    let recipe = Recipe { steps: Some(3), batch: Some(8), ..Recipe::default() };
    let ctx = Context::for_tests();
    let midweak = trained(&Window::new(None).expect("valid"), &recipe, &ctx).expect("trains");
    // The labels are hard: their median distance from ½ is ½.
    let stated = trained(&Window::new(Some(0.5)).expect("valid"), &recipe, &ctx).expect("trains");
    assert_eq!(midweak.inner.digest, stated.inner.digest);
    assert!(midweak.inner.recipe.starts_with("loss::window(#{radius: 0.5})"), "{}", midweak.inner.recipe);
}
