//! What the process takes of its machine, by the names that Prometheus' own clients use. Read from `/proc` whenever somebody
//! asks; elsewhere than on Linux there is nothing.

use std::fmt;

use procfs::process::{LimitValue, Process};
use procfs::{ProcResult, boot_time_secs, page_size, ticks_per_second};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Reads what the process takes.
#[derive(Debug)]
pub(super) struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        // A process that may not read about itself has none of them, and all others.
        for (name, help, metric) in read().unwrap_or_default() {
            metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)?;
        }
        Ok(())
    }
}

/// A metric with its name and what it is.
type Described = (&'static str, &'static str, Box<dyn EncodeMetric>);

fn read() -> ProcResult<Vec<Described>> {
    let process = Process::myself()?;
    let stat = process.stat()?;
    let open_fds = float(u64::try_from(process.fd_count()?).unwrap_or(u64::MAX));
    let max_fds = match process.limits()?.max_open_files.soft_limit {
        LimitValue::Value(files) => float(files),
        LimitValue::Unlimited => f64::INFINITY,
    };
    let cpu = seconds(stat.utime.saturating_add(stat.stime));
    let gauge = |value: f64| -> Box<dyn EncodeMetric> { Box::new(ConstGauge::new(value)) };
    Ok(vec![
        (
            "process_cpu_seconds",
            "User and system CPU time spent in seconds",
            Box::new(ConstCounter::new(cpu)),
        ),
        (
            "process_open_fds",
            "Number of open file descriptors",
            gauge(open_fds),
        ),
        (
            "process_max_fds",
            "Maximum number of open file descriptors",
            gauge(max_fds),
        ),
        (
            "process_threads",
            "Number of OS threads",
            Box::new(ConstGauge::new(stat.num_threads)),
        ),
        (
            "process_virtual_memory_bytes",
            "Virtual memory size in bytes",
            gauge(float(stat.vsize)),
        ),
        (
            "process_resident_memory_bytes",
            "Resident memory size in bytes",
            gauge(float(stat.rss.saturating_mul(page_size()))),
        ),
        (
            "process_start_time_seconds",
            "Start time of the process since the Unix epoch in seconds",
            gauge(float(boot_time_secs()?) + seconds(stat.starttime)),
        ),
    ])
}

/// Ticks of the scheduler as a time.
fn seconds(ticks: u64) -> f64 {
    float(ticks) / float(ticks_per_second())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "exact up to 2^53, which no time or size reaches"
)]
fn float(number: u64) -> f64 {
    number as f64
}
