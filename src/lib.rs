//! mlark moves MLflow history as a file.

#[expect(dead_code, reason = "the layers above are written next")]
mod archive;
