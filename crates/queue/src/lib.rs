//! The queues: in-process and JetStream
