//! Where the bytes of artifacts lie, and how they are reached: on this machine, or in an object store.

pub(crate) mod cloud;
pub(crate) mod local_roots;
pub(crate) mod tree;
pub(crate) mod walk;
