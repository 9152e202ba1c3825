//! Bytes searched as they stand and decoded, piece by piece: what is written as JSON escapes, percent-encoded or in base64 is found
//! as well, one within the other too. It knows nothing of archives.
//!
//! A [`Stream`] is a tree of layers. Each layer keeps the end of what it saw, so that a match over a border of pieces is found, asks
//! a [`Matcher`] about it, and hands what it sees to decoders, each of which writes into a layer of its own. A decoder of escapes
//! hands on only what lies near an escape: everything else was searched before.

mod base64;
mod escapes;
mod layer;
mod needles;

pub(crate) use layer::{Hit, Matcher, Step, Stream, Window};
pub(crate) use needles::{BadPattern, Needle, Needles};

#[cfg(test)]
mod tests;
