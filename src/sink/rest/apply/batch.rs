//! Params, tags and metric points in as few calls as a server's limits allow.

use crate::client::ClientError;
use crate::sink::rest::api::{Api, MetricOut};

/// Params, and tags, in one call.
const TEXTS: usize = 100;
/// Params, tags and points in one call.
const ALL: usize = 1_000;
/// Bytes of a call, about.
const BYTES: usize = 900_000;
/// Bytes of a point beside its name, about.
const POINT_BYTES: usize = 80;

/// Calls of `runs/log-batch` for one run.
pub(super) struct Batch<'a> {
    api: &'a Api,
    run_id: &'a str,
    params: Vec<(String, String)>,
    tags: Vec<(String, String)>,
    metrics: Vec<MetricOut<'a>>,
    size_bytes: usize,
}

impl<'a> Batch<'a> {
    pub(super) fn new(api: &'a Api, run_id: &'a str) -> Self {
        Batch {
            api,
            run_id,
            params: Vec::new(),
            tags: Vec::new(),
            metrics: Vec::new(),
            size_bytes: 0,
        }
    }

    pub(super) fn param(&mut self, param: (String, String)) -> Result<(), ClientError> {
        self.reserve(param.0.len() + param.1.len(), self.params.len() >= TEXTS)?;
        self.params.push(param);
        Ok(())
    }

    pub(super) fn tag(&mut self, tag: (String, String)) -> Result<(), ClientError> {
        self.reserve(tag.0.len() + tag.1.len(), self.tags.len() >= TEXTS)?;
        self.tags.push(tag);
        Ok(())
    }

    pub(super) fn metric(&mut self, metric: MetricOut<'a>) -> Result<(), ClientError> {
        self.reserve(metric.key.len() + POINT_BYTES, false)?;
        self.metrics.push(metric);
        Ok(())
    }

    fn reserve(&mut self, size_bytes: usize, is_full: bool) -> Result<(), ClientError> {
        let count = self.params.len() + self.tags.len() + self.metrics.len();
        if is_full || count >= ALL || (count > 0 && self.size_bytes + size_bytes > BYTES) {
            self.send()?;
        }
        self.size_bytes += size_bytes;
        Ok(())
    }

    /// Sends what is left.
    pub(super) fn send(&mut self) -> Result<(), ClientError> {
        if self.params.is_empty() && self.tags.is_empty() && self.metrics.is_empty() {
            return Ok(());
        }
        self.api.log_batch(self.run_id, &self.params, &self.tags, &self.metrics)?;
        self.params.clear();
        self.tags.clear();
        self.metrics.clear();
        self.size_bytes = 0;
        Ok(())
    }
}
