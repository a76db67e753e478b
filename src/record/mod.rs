//! What happened in a run: its folder, and `record.json` with everything that is needed to rerun it and compare.
//!
//! [`Recorder`] collects a run while it happens; [`Record`] is what it leaves, written and read back; every field is
//! described in `docs/record.md`.

mod altered;
mod appendix;
pub mod bundle;
pub mod cells;
pub mod claim;
pub mod clock;
pub mod diff;
pub mod folder;
pub mod kept;
pub mod lines;
mod page;
mod pairs;
mod places;
pub mod readings;
pub mod rebuild;
mod recorder;
mod schema;
mod seal;
mod shown;
mod verdict;
pub mod verify;
pub mod versions;

pub use altered::{Altered, altered, unaltered};
pub use appendix::{APPENDIX, Account, appendix, seconds, write_appendix, write_pages};
pub use folder::{Folder, RecordError, create, place, place_named};
pub use kept::Kept;
pub use page::{PAGE, page, pages};
pub use places::Places;
pub use recorder::{Recorder, Source, Start, machine};
pub use schema::{
    Copied, FetchedFile, FileRead, Formats, Grants, How, Library, Machine, Outcome, Printed, Record, Recorded,
    RecordedSettings, Root, SCHEMA, What, WrittenFile,
};

/// The name and version of the format of a bundle.
pub const BUNDLE: &str = "w2s-bundle/1";
