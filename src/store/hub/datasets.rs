//! Data sets of a hub: the Parquet files that it converts each to, by configuration and split.

use super::{Hub, HubId, Transfer};
use crate::core::context::{Context, Event};
use crate::store::{Store, StoreError};
use std::collections::BTreeMap;

/// The most bytes of a listing and of one file: arbitrary.
const MAX_LIST: u64 = 16 << 20;
const MAX_PARQUET: u64 = 8 << 30;

/// What the hub lists: addresses by configuration and split.
type Listing = BTreeMap<String, BTreeMap<String, Vec<String>>>;

impl Hub {
    /// Fetches the files of a data set, or of one configuration of it, that are not in the store.
    pub(super) fn fetch_data(&self, id: &HubId, store: &Store, ctx: &Context) -> Result<(), StoreError> {
        let what = format!("fetch {id}");
        let base = format!("{}/api/datasets/{}/{}/parquet", self.endpoint.trim_end_matches('/'), id.owner, id.name);
        let listing = self.listing(&base, id, store, ctx)?;
        let mut files = Vec::new();
        for (config, splits) in &listing {
            for (split, shards) in splits {
                for shard in 0..shards.len() {
                    // Not the listed address, which may be anybody's: the hub's own for the same file.
                    files.push((
                        format!("{base}/{config}/{split}/{shard}.parquet"),
                        format!("{config}/{split}/{shard:04}.parquet"),
                    ));
                }
            }
        }
        ctx.tell(Event::Started { what: what.clone(), total: files.len() as u64 });
        let fetched = (1u64..).zip(files).try_for_each(|(done, (url, file))| {
            self.fetch_from(url, id, &file, (MAX_PARQUET, true), store, ctx)?;
            ctx.tell(Event::Progress { what: what.clone(), done, note: file });
            Ok(())
        });
        ctx.tell(Event::Ended { what });
        fetched
    }

    /// The configurations that are asked for.
    fn listing(&self, base: &str, id: &HubId, store: &Store, ctx: &Context) -> Result<Listing, StoreError> {
        let fails = |reason: String| StoreError::Download { url: base.to_owned(), reason };
        let part = store.path(&id.place("listing.fetching"));
        if let Some(folder) = part.parent() {
            std::fs::create_dir_all(folder).map_err(|error| StoreError::io(folder, &error))?;
        }
        let transfer = Transfer { asking: &self.asking, url: base, part, most: MAX_LIST, ctx };
        let fetched = transfer.run(true)?.ok_or_else(|| fails("the hub lists no files".to_owned()))?;
        let bytes = std::fs::read(&fetched.part).map_err(|error| StoreError::io(&fetched.part, &error))?;
        let _ = std::fs::remove_file(&fetched.part);
        let all: Listing = serde_json::from_slice(&bytes).map_err(|error| fails(error.to_string()))?;
        let is_plain = |part: &String| !part.is_empty() && !part.starts_with('.') && !part.contains(['/', '\\', '\0']);
        let names = all.iter().flat_map(|(config, splits)| std::iter::once(config).chain(splits.keys()));
        if let Some(odd) = names.into_iter().find(|name| !is_plain(name)) {
            return Err(fails(format!("it lists `{odd}`, which is no name")));
        }
        let known = all.keys().cloned().collect::<Vec<_>>().join(", ");
        let asked = |config: &String| id.config.as_ref().is_none_or(|asked| asked == config);
        let listing: Listing = all.into_iter().filter(|(config, _)| asked(config)).collect();
        match (listing.is_empty(), &id.config) {
            (true, Some(config)) => Err(fails(format!("it has no configuration `{config}`; there are {known}"))),
            (true, None) => Err(fails("the hub has converted none of its files to Parquet".to_owned())),
            (false, _) => Ok(listing),
        }
    }
}

impl HubId {
    /// Whether it is of a data set.
    pub fn is_data(&self) -> bool {
        self.is_data
    }

    /// The fetched files of a split, in order. A configuration that nobody names is the only one that there is.
    pub fn files_of(&self, store: &Store, config: Option<&str>, split: &str) -> Result<Vec<String>, StoreError> {
        let record = self.record(store)?;
        if record.is_empty() {
            return Err(StoreError::Missing { id: self.to_string() });
        }
        let of = |config: &str| -> Vec<String> {
            let folder = format!("{config}/{split}/");
            record.keys().filter(|file| file.starts_with(&folder)).cloned().collect()
        };
        let named = of(config.unwrap_or("default"));
        let configs: Vec<&str> = record.keys().filter_map(|file| file.split('/').next()).collect();
        match configs.first() {
            Some(only) if named.is_empty() && config.is_none() && configs.iter().all(|config| config == only) => {
                Ok(of(only))
            }
            _ => Ok(named),
        }
    }
}
