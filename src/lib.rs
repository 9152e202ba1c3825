//! mlark moves MLflow history as a file.
