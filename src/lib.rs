//! mlark moves MLflow history as a file.

// The layers above the container are not here yet.
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the layers above are written next")
)]
mod archive;
