//! The end-to-end tests, all in one program: it is linked once, and slow tests of one file run
//! beside those of others.

#![allow(clippy::unwrap_used, reason = "a test stops at the first thing that is not right")]

#[macro_use]
mod support;

mod acl;
mod auth;
mod buckets;
mod calls;
mod checksums;
mod command;
mod conditions;
mod configuration;
mod copy;
mod cors;
mod crash;
mod cut;
mod delete_objects;
mod disks;
mod documents;
mod durability;
mod elsewhere;
mod errors;
mod faults;
mod files;
mod forms;
mod framing;
mod framing_attacks;
mod idle;
mod linear;
mod links;
mod listing;
mod listing_disturbed;
mod listing_live;
mod listing_puts;
mod listing_unwatched;
mod malformed;
mod metrics;
mod multipart;
mod multipart_copy;
mod objects;
mod page;
mod reading;
mod rights;
mod security;
mod seeing;
mod smuggling;
mod start;
mod stopping;
mod tagging;
mod teaching;
mod tls;
mod traps;
mod traversal;
mod unix;
mod unsupported;
