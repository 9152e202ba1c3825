//! Params, tags and metric points in as few calls as a server's limits allow.

use super::Apply;
use super::refusal::Whole;
use crate::client::ClientError;
use crate::flow::import::Result;
use crate::flow::import::part::PartKind;
use crate::lang::rest::api::{MetricOut, TargetId};
use crate::lang::rest::routes::LOG_BATCH;
use std::sync::atomic::Ordering;

/// Params, and tags, in one call, which takes more points.
const TEXTS: usize = 100;
/// The fewest bytes that a call is held to where the target takes none of its size.
const LEAST_BYTES: usize = 16 << 10;
/// Bytes of a point beside its name, about.
const POINT_BYTES: usize = 80;

type Text = (String, String);

/// Calls of `runs/log-batch` for one run.
pub(super) struct Batch<'a> {
    apply: &'a Apply<'a>,
    /// The object of the archive that it is about.
    whole: Whole<'a>,
    run_id: &'a TargetId,
    params: Vec<Text>,
    tags: Vec<Text>,
    metrics: Vec<MetricOut<'a>>,
    size_bytes: usize,
}

/// What one call sends.
#[derive(Clone, Copy)]
struct Call<'b, 'a> {
    params: &'b [Text],
    tags: &'b [Text],
    metrics: &'b [MetricOut<'a>],
}

impl<'a> Batch<'a> {
    pub(super) fn new(apply: &'a Apply<'a>, whole: Whole<'a>, run_id: &'a TargetId) -> Self {
        Batch {
            apply,
            whole,
            run_id,
            params: Vec::new(),
            tags: Vec::new(),
            metrics: Vec::new(),
            size_bytes: 0,
        }
    }

    pub(super) fn param(&mut self, param: Text) -> Result<()> {
        if !self.whole.wants_named(PartKind::Param, &param.0) {
            return Ok(());
        }
        self.reserve(param.0.len() + param.1.len(), self.params.len() >= TEXTS)?;
        self.params.push(param);
        Ok(())
    }

    pub(super) fn tag(&mut self, tag: Text) -> Result<()> {
        if !self.whole.wants_named(PartKind::Tag, &tag.0) {
            return Ok(());
        }
        self.reserve(tag.0.len() + tag.1.len(), self.tags.len() >= TEXTS)?;
        self.tags.push(tag);
        Ok(())
    }

    /// Adds a point; whether points of its metric are to be sent, the caller has asked, once for all of them.
    pub(super) fn metric(&mut self, metric: MetricOut<'a>) -> Result<()> {
        self.reserve(metric.key.len() + POINT_BYTES, false)?;
        self.metrics.push(metric);
        Ok(())
    }

    fn reserve(&mut self, size_bytes: usize, is_full: bool) -> Result<()> {
        let count = self.params.len() + self.tags.len() + self.metrics.len();
        let most = self.apply.batch_bytes.load(Ordering::Relaxed);
        if is_full || count >= LOG_BATCH.most || (count > 0 && self.size_bytes + size_bytes > most) {
            self.send()?;
        }
        self.size_bytes += size_bytes;
        Ok(())
    }

    /// Sends what is left.
    pub(super) fn send(&mut self) -> Result<()> {
        let call = Call {
            params: &self.params,
            tags: &self.tags,
            metrics: &self.metrics,
        };
        self.send_call(call, self.size_bytes)?;
        self.params.clear();
        self.tags.clear();
        self.metrics.clear();
        self.size_bytes = 0;
        Ok(())
    }

    /// Sends in one call; where that is refused in halves, down to what is refused by itself.
    fn send_call(&self, call: Call<'_, '_>, size_bytes: usize) -> Result<()> {
        if call.len() == 0 {
            return Ok(());
        }
        let api = self.apply.api;
        match api.log_batch(self.run_id, call.params, call.tags, call.metrics) {
            Err(error) if error.is_refusal() && call.len() > 1 && !error.is_not_found() => {
                self.learn(&error, size_bytes);
                let (first, second) = call.halves();
                self.send_call(first, size_bytes / 2)?;
                self.send_call(second, size_bytes / 2)
            }
            answer => self.apply.settle(self.whole, &call.names(), answer),
        }
    }

    /// Keeps further calls smaller where one was too large.
    fn learn(&self, error: &ClientError, size_bytes: usize) {
        if error.status() == Some(413) {
            let most = (size_bytes / 2).max(LEAST_BYTES);
            self.apply.batch_bytes.fetch_min(most, Ordering::Relaxed);
        }
    }
}

impl<'b, 'a> Call<'b, 'a> {
    fn len(&self) -> usize {
        self.params.len() + self.tags.len() + self.metrics.len()
    }

    fn halves(self) -> (Self, Self) {
        let half = self.len() / 2;
        let params = self.params.split_at(half.min(self.params.len()));
        let half = half - params.0.len();
        let tags = self.tags.split_at(half.min(self.tags.len()));
        let metrics = self.metrics.split_at(half - tags.0.len());
        let call = |params, tags, metrics| Call {
            params,
            tags,
            metrics,
        };
        (
            call(params.0, tags.0, metrics.0),
            call(params.1, tags.1, metrics.1),
        )
    }

    /// All of it, as differences name it, each metric once.
    fn names(&self) -> Vec<String> {
        let params = self.params.iter().map(|(key, _)| PartKind::Param.of(key));
        let tags = self.tags.iter().map(|(key, _)| PartKind::Tag.of(key));
        let metrics = self.metrics.chunk_by(|one, next| one.key == next.key);
        let metrics = metrics.map(|points| PartKind::Metric.of(points[0].key));
        params.chain(tags).chain(metrics).collect()
    }
}
