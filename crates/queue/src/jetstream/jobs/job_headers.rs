//! The headers of a job's message, beside the job itself.

use async_nats::HeaderMap;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::telemetry::trace_context::TraceContext;
use image_sync_shared::run::job::Job;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::jetstream::names::{MESSAGE_ID, set_header};
use crate::jetstream::streams::DeliveredMessage;

/// Until when a held message is held, in RFC 3339: so that holding it needs no look into it.
const NOT_BEFORE: &str = "Imgsync-Not-Before";
/// How often the job was delivered before this message of it was published.
const DELIVERIES: &str = "Imgsync-Deliveries";

/// What the headers of a job say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct JobHeaders {
    /// The id by which repeats are dropped.
    pub(crate) message_id: String,
    /// Until when it is held.
    pub(super) not_before: Option<OffsetDateTime>,
    /// How often the job was delivered before.
    pub(super) deliveries: u64,
}

impl JobHeaders {
    /// As headers, with those of `trace`. What else somebody put beside a message is not passed on: a server obeys headers.
    pub(crate) fn headers(&self, trace: &TraceContext) -> Result<HeaderMap, QueueError> {
        let mut headers = HeaderMap::new();
        for (name, value) in trace.headers() {
            if let Some(name) = TraceContext::HEADERS.into_iter().find(|own| *own == name) {
                set_header(&mut headers, name, value)?;
            }
        }
        set_header(&mut headers, MESSAGE_ID, &self.message_id)?;
        if let Some(not_before) = self.not_before.and_then(|time| time.format(&Rfc3339).ok()) {
            set_header(&mut headers, NOT_BEFORE, &not_before)?;
        }
        if self.deliveries > 0 {
            set_header(&mut headers, DELIVERIES, &self.deliveries.to_string())?;
        }
        Ok(headers)
    }
}

/// The trace that a message belongs to.
pub(super) fn trace_of(received: &DeliveredMessage) -> TraceContext {
    let header = |name| received.header(name).map(|value| (name, value));
    TraceContext::HEADERS
        .into_iter()
        .filter_map(header)
        .collect()
}

/// A job of a message, in the trace that the message belongs to.
pub(super) fn traced(job: Job, received: &DeliveredMessage) -> Job {
    Job {
        trace: trace_of(received),
        ..job
    }
}

/// Until when a message is held. One that does not say so in a way that can be read is not held.
pub(super) fn held_until(received: &DeliveredMessage) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(received.header(NOT_BEFORE)?, &Rfc3339).ok()
}

/// How often the job was delivered before this message of it was published.
pub(super) fn earlier_deliveries(received: &DeliveredMessage) -> u64 {
    let text = received.header(DELIVERIES);
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_nats::Message;
    use time::macros::datetime;

    fn received(headers: HeaderMap) -> DeliveredMessage {
        let message = Message {
            subject: "imgsync.held.bulk.h.r".into(),
            reply: Some("$JS.ACK.S.held.1.2.3.4.5".into()),
            payload: "".into(),
            headers: Some(headers),
            status: None,
            description: None,
            length: 0,
        };
        DeliveredMessage::new(message).unwrap()
    }

    #[test]
    fn an_envelope_is_read_as_it_was_written() {
        let due = datetime!(2026-11-20 12:00:00.123456789 UTC);
        let job_headers = JobHeaders {
            message_id: "r1:0".to_owned(),
            not_before: Some(due),
            deliveries: 3,
        };
        let read = received(job_headers.headers(&TraceContext::default()).unwrap());
        assert_eq!(held_until(&read), Some(due));
        assert_eq!(earlier_deliveries(&read), 3);
        assert_eq!(read.header(MESSAGE_ID), Some("r1:0"));
    }

    #[test]
    fn the_trace_stays_and_no_other_header_does() {
        let mut others = JobHeaders {
            message_id: "old".to_owned(),
            not_before: Some(datetime!(2026-11-20 12:00 UTC)),
            deliveries: 9,
        }
        .headers(&TraceContext::default())
        .unwrap();
        others.insert("traceparent", "00-ab-cd-01");
        others.insert("tracestate", "x".repeat(1_000_000));
        others.insert("Nats-Rollup", "all");
        let job_headers = JobHeaders {
            message_id: "new".to_owned(),
            ..JobHeaders::default()
        };
        let read = received(job_headers.headers(&trace_of(&received(others))).unwrap());
        assert_eq!(read.header("traceparent"), Some("00-ab-cd-01"));
        assert_eq!(read.header("tracestate"), None);
        assert_eq!(read.header("Nats-Rollup"), None);
        assert_eq!(read.header(MESSAGE_ID), Some("new"));
        assert_eq!((held_until(&read), earlier_deliveries(&read)), (None, 0));
    }

    #[test]
    fn a_value_with_a_line_break_is_an_error_and_no_panic() {
        let job_headers = JobHeaders {
            message_id: "x\r\ny:0".to_owned(),
            ..JobHeaders::default()
        };
        let error = job_headers.headers(&TraceContext::default()).unwrap_err();
        assert!(error.to_string().contains("is no Nats-Msg-Id"), "{error}");
    }

    #[test]
    fn what_cannot_be_read_is_neither_held_nor_counted() {
        let mut headers = HeaderMap::new();
        headers.insert(NOT_BEFORE, "tomorrow");
        headers.insert(DELIVERIES, "-1");
        let read = received(headers);
        assert_eq!((held_until(&read), earlier_deliveries(&read)), (None, 0));
    }
}
