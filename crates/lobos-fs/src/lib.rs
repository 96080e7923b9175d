//! The store: buckets are directories, objects are plain files.
//!
//! An ordinary key is its path beneath the folder of its bucket (`key.rs`); a key that cannot be
//! a path is kept in `.lobos/` (`aside.rs`). What S3 knows of an object beyond its bytes is one
//! extended attribute (`meta.rs`). An upload has no name until it is whole (`publish.rs`).

mod alias;
mod append;
mod aside;
mod bucket;
mod bytes;
mod clock;
mod configuration;
mod copy;
mod delete;
mod empty;
mod error;
mod folder;
mod index;
mod key;
mod kind;
mod limit;
mod list;
mod locks;
mod meta;
mod metas;
mod mime;
mod multipart;
mod object;
mod options;
mod ours;
mod publish;
mod readers;
mod rename;
mod room;
mod roots;
mod scratch;
mod seen;
mod sidecar;
mod snapshot;
mod store;
mod tagging;
mod temp;
mod upload;
mod walk;
mod warn;

pub use index::IndexProgress;
pub use limit::CacheUse;
pub use options::{Durability, EtagMode, Layout, OpenError, Options, Quirks};
pub use store::FsStore;
pub use warn::on_warning;
