pub(crate) mod zip;
