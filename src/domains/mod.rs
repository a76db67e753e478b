//! What experiments are about: a folder for each domain, with its inputs, its targets, its readers and its measures.

pub mod generated;
pub mod policy;
pub mod preference;
pub mod world;
