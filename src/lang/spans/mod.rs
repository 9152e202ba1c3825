//! Spans outside of archives: the file `traces.json` of MLflow's client, and OpenTelemetry.

pub(crate) mod otlp;
pub(crate) mod read;
pub(crate) mod write;
