//! Models from the program, from folders and into folders: `model::ladder`, `model::load`, `model::save`.

use super::finetune_preferences::Reference;
use crate::bind::prelude::*;
use crate::core::context::{AccessError, Context};
use crate::core::explain::nearest;
use crate::models::{Format, Model, Precision, concept_ladder, ladder, world_ladder};
use crate::store::Store;
use crate::store::hub::HubId;
use std::path::Path;

options! {
    /// Which of the ladders that come with the program.
    pub struct LadderOptions {
        /// World: the version of the generated world; left out, the session's (`--world`).
        version: Option<usize> = None,
        /// World and concepts: the seed of the pretraining, 0 to 2 (of version 1 of the world 0 alone); left out, 0.
        pretraining_seed: Option<usize> = None,
    }
}

options! {
    /// Options of `model::load`.
    pub struct LoadOptions {
        /// Keep only the first blocks of a BERT or MPNet, as a smaller rung; left out, all.
        layers: Option<usize> = None,
        /// The longest row in tokens, at most the model's context; longer ones are cut.
        max_tokens: Option<usize> = None,
        /// Of a folder with an adapter: the model that it is an update of.
        base: Option<Reference> = None,
    }
}

options! {
    /// Options of `model::save`.
    pub struct SaveOptions {
        /// Store 16-bit numbers: half the size, rounded to 11 bits.
        half: bool = false,
        /// Who is to read it: `w2s`; `transformers`, whose names and `config.json` other programs know; or `peft`, which gets an update of low rank alone.
        format: String = "w2s".to_owned(),
    }
}

/// The records.
pub fn functions() -> Vec<Function> {
    vec![
        Function::new("model", "ladder", rungs)
        .about("The pretrained models of a ladder, smallest first.")
        .details(
            "- `world`: causal models of the generated world, which come with the program. Of version 2, a name says width, layers and \
             steps, and each rung was pretrained with three seeds: what is said of sizes should hold for each of them.\n\
             - `concepts`: causal models of ordered concepts (`world::concepts`), which come with the program: of one size, each pretrained \
             longer on a corpus that shows one concept more, with three seeds.\n\
             - `minilm`: the first 1, 2, 3, 4 and all 6 layers of all-MiniLM-L6-v2; `w2s fetch minilm` brings it.",
        )
        .param::<String>("name", "`world`, `concepts` or `minilm`")
        .options::<LadderOptions>()
        .returns("array of Model")
        .example("model::ladder(\"world\").map(|rung| rung.name)", "[\"8x1-1000\", \"16x1-500\", \"16x1-1000\", \"16x1-2000\", \"32x2-1000\", \"32x2-2000\", \"32x2-4000\", \"64x2-2000\", \"64x2-4000\"]")
        .example("model::ladder(\"world\", #{ pretraining_seed: 1 })[0] == model::ladder(\"world\")[0]", "false")
        .example("model::ladder(\"world\", #{ version: 1 }).len", "6")
        .fails("model::ladder(\"world\", #{ pretraining_seed: 3 })", "was not pretrained with the seed `3`")
        .example("model::ladder(\"concepts\", #{ pretraining_seed: 2 }).map(|rung| rung.name)", "[\"depth-1\", \"depth-2\", \"depth-3\", \"depth-4\", \"depth-5\", \"depth-6\"]")
        .fails("model::ladder(\"concepts\", #{ version: 1 })", "is for `world`, and `concepts` is another ladder")
        .fails("model::ladder(\"moon\")", "there is no ladder `moon`"),
        Function::new("model", "load", load)
            .about("A pretrained model by name, or a model from a folder.")
            .details(
                "- `minilm`: all-MiniLM-L6-v2, after `w2s fetch minilm`. It reads 256 tokens of a row unless `max_tokens` says fewer.\n\
                 - `minilm-l3`: paraphrase-MiniLM-L3-v2, after `w2s fetch minilm minilm-l3`: its tokenizer is that of `minilm`. It reads 512 tokens of a \
                 row unless `max_tokens` says fewer.\n\
                 - `mpnet`: all-mpnet-base-v2, after `w2s fetch mpnet`. It reads 384 tokens of a row unless `max_tokens` says fewer.\n\
                 - `smollm2`: SmolLM2-135M-Instruct, its weights quantised to 4 bits, after `w2s fetch smollm2`. Say `max_tokens`: \
                 it reads 8192.\n\
                 - `hub:OWNER/NAME` or `hub:OWNER/NAME@REVISION`: a checkpoint of GPT-2, GPT-NeoX (Pythia), Llama (SmolLM2), Mistral, \
                 Qwen2 and 2.5, Qwen3, OLMo-2, BERT, DistilBERT, RoBERTa, MPNet or ModernBERT, after `w2s fetch` of the same name. \
                 `OWNER/NAME` alone is the same where no folder is called so.\n\
                 - a folder with `config.json`, `model.safetensors` (or `model.safetensors.index.json` and its files) and \
                 `tokenizer.json`: as `model::save` writes them, or such a checkpoint with Hugging Face names (64, 32, 16 or \
                 bfloat16 bits; computed in 32). Where there are no safetensors, `model.onnx` is read, of a BERT as PyTorch exports it. A relative path is looked for in the \
                 run's folder first, where `model::save` writes, then in the project.\n\
                 - a folder with `adapter_config.json` and `adapter_model.safetensors`, as PEFT and `model::save` with `format: \"peft\"` write them: \
                 LoRA's update, which is merged into the `base` that is given.\n\n\
                 Features of encoders are the mean over the row's tokens, or the first token's where `1_Pooling/config.json` says \
                 so; those of causal models are the last token's. The head of a causal checkpoint for sequence classification is \
                 the model's; pooler and heads of other checkpoints are left out. A causal checkpoint without the matrix that reads \
                 next tokens classifies, and says that it cannot predict tokens.",
            )
            .param::<String>("name", "`minilm`, `minilm-l3`, `mpnet`, `smollm2`, `hub:OWNER/NAME` or a folder")
            .options::<LoadOptions>()
            .returns("Model")
            .example(
                "let m = model::untrained(data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 }));\n\
                 m.save(\"mine\");\n\
                 model::load(\"mine\").n_params == m.n_params",
                "true",
            )
            .fails("model::load(\"/etc\")", "outside this script's project")
            .fails("model::load(\"smolm2\")", "`smolm2`: no such file or folder")
            .fails("model::load(\"nobody/nothing\")", "`nobody/nothing`: no such file or folder")
            .fails("model::load(\"hub:nobody/nothing\")", "`hub:nobody/nothing` was not fetched into the store"),
        Function::new("model", "save", |call| {
            let (model, path): (Model, String) = (call.arg(0)?, call.arg(1)?);
            let options: SaveOptions = call.options()?;
            let precision = if options.half { Precision::F16 } else { Precision::F32 };
            let format = match options.format.as_str() {
                "w2s" => Format::Own,
                "transformers" => Format::Transformers,
                "peft" => Format::Peft,
                other => {
                    let wrong = format!("`format` must be `w2s`, `transformers` or `peft`, got `{other}`");
                    return Err(Fault::new("options/value", wrong));
                }
            };
            model.save(Path::new(&path), format, precision, call.ctx())?;
            Ok(Dynamic::UNIT)
        })
        .about("Writes a model into a folder, which is made if its last part is missing.")
        .details(
            "`config.json`, `model.safetensors` and `tokenizer.json`; each appears whole or not at all. A relative path \
             starts at the run's folder, or at the project where there is no run.\n\n\
             With `format: \"transformers\"` a folder that `AutoModel.from_pretrained` and its kin load with the same results: \
             the parameters under the names of GPT-2, GPT-NeoX, Llama, Mistral, Qwen2, Qwen3, OLMo-2, BERT, DistilBERT, MPNet or ModernBERT, \
             by the architecture (a RoBERTa becomes a BERT). A causal model's head becomes that of \
             `AutoModelForSequenceClassification`; an encoder's has no place there and is refused. Name, lineage and, of a causal \
             model, `max_tokens` are not kept.\n\n\
             With `format: \"peft\"` the update of low rank that the last training with `lora` merged in, apart: `adapter_config.json` and `adapter_model.safetensors`, \
             which `PeftModel.from_pretrained` loads over the model before that training, and `model::load` with `base`. The head of a causal model goes along as \
             a module that is saved whole, an encoder's is left out with a warning; matrices that are one here (queries, keys and values) share `A`. A model keeps its update until it is trained again \
             or read from a file.",
        )
        .param::<Model>("model", "the model")
        .param::<String>("path", "the folder, in the run's own or one that was granted")
        .options::<SaveOptions>()
        .also_method::<Model>()
        .returns("()")
        .example(
            "let m = model::untrained(data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 }));\n\
             m.save(\"mine\", #{ half: true })",
            "",
        )
        .example(
            "let m = model::untrained(data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 }));\n\
             m.save(\"theirs\", #{ format: \"transformers\" });\n\
             model::load(\"theirs\").n_params == m.n_params",
            "true",
        )
        .example(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n\
             let base = model::untrained(rows, #{ seed: 0 });\n\
             let tuned = base.finetune_generative(rows, #{ steps: 3, lora: #{ rank: 2 }, seed: 0 });\n\
             tuned.save(\"update\", #{ format: \"peft\" });\n\
             let again = model::load(\"update\", #{ base: base });\n\
             again.logprobs(rows).column(\"logprob\") == tuned.logprobs(rows).column(\"logprob\")",
            "true",
        )
        .fails(
            "model::untrained(data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 })).save(\"mine\", #{ format: \"peft\" })",
            "has no adapter: its last training had no `lora`",
        )
        .fails(
            "model::untrained(data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 })).save(\"mine\", #{ format: \"onnx\" })",
            "`format` must be `w2s`, `transformers` or `peft`, got `onnx`",
        )
        .fails(
            "model::untrained(data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 })).save(\"/nowhere/mine\")",
            "outside this run's folder",
        ),
    ]
}

/// What is said of a path that cannot be read: a name that was mistyped is named rightly.
fn not_there(name: &str, error: AccessError) -> Fault {
    let fault = Fault::from(error);
    if let Some(id) = hub_id(name) {
        let grant = fault.hint.as_deref().map_or(String::new(), |grant| format!("\n{grant}"));
        return fault.hint(format!("of the hub? type: w2s fetch {id}{grant}"));
    }
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if !is_name {
        return fault;
    }
    let known: Vec<&str> = Model::fetchable().collect();
    let meant = nearest(&name.to_lowercase(), known.iter().copied());
    let meant = meant.map_or(String::new(), |near| format!("did you mean `{near}`? "));
    let grant = fault.hint.as_deref().map_or(String::new(), |grant| format!("\n{grant}"));
    let names = known.join(", ");
    fault.hint(format!("{meant}models by name: {names}; others are folders, or `hub:OWNER/NAME`{grant}"))
}

/// The checkpoint that the hub calls `name`, where it was fetched.
fn of_hub(name: &str, ctx: &Context) -> Result<Option<Model>, Fault> {
    match hub_id(name).filter(|id| id.is_fetched(&Store::of(ctx))) {
        Some(id) => Ok(Model::fetched(&id.to_string(), ctx)?),
        None => Ok(None),
    }
}

/// The hub's id of a checkpoint, as the hub writes it: without `hub:`.
fn hub_id(name: &str) -> Option<HubId> {
    HubId::parse(&format!("hub:{name}")).ok().filter(|id| !id.is_data())
}

fn rungs(call: &mut Call) -> Answer {
    let name: String = call.arg(0)?;
    let LadderOptions { version, pretraining_seed } = call.options()?;
    let has_seeds = name == "world" || name == "concepts";
    if (name != "world" && version.is_some()) || (!has_seeds && pretraining_seed.is_some()) {
        let (option, ladders) =
            if version.is_some() { ("version", "`world`") } else { ("pretraining_seed", "`world` and `concepts`") };
        let said = format!("option `{option}` of `model::ladder` is for {ladders}, and `{name}` is another ladder");
        return Err(Fault::new("model/not-the-world", said).hint("leave it out"));
    }
    let models = if name == "world" {
        world_ladder(version.unwrap_or(call.ctx().settings.world), pretraining_seed.unwrap_or(0))?
    } else if name == "concepts" {
        concept_ladder(pretraining_seed.unwrap_or(0))?
    } else {
        ladder(&name, call.ctx())?
    };
    Ok(models.into_iter().map(Dynamic::from).collect::<Array>().into())
}

fn load(call: &mut Call) -> Answer {
    let name: String = call.arg(0)?;
    let options: LoadOptions = call.options()?;
    let mut model = match (&options.base, Model::fetched(&name, call.ctx())?) {
        (Some(Reference(base)), _) => {
            let folder = call.ctx().readable(&name).map_err(|error| not_there(&name, error))?;
            base.load_adapter(&folder, call.ctx())?
        }
        (None, Some(model)) => model,
        (None, None) => match call.ctx().readable(&name) {
            Ok(folder) => Model::load(&folder, call.ctx())?,
            Err(error) => of_hub(&name, call.ctx())?.ok_or_else(|| not_there(&name, error))?,
        },
    };
    if let Some(layers) = options.layers {
        model = model.first_layers(layers)?;
    }
    if let Some(max_tokens) = options.max_tokens {
        model = model.with_max_tokens(max_tokens)?;
    }
    Ok(Dynamic::from(model))
}
