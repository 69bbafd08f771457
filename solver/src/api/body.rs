//! Bodies, read in within bounds of size, time and memory.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use bytesize::ByteSize;
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::refusal::Refusal;
use crate::config::Server;

/// What a permit stands for.
const UNIT: usize = 1024;

/// Permits for the memory that all bodies together may take.
pub(super) fn memory(most: ByteSize) -> Arc<Semaphore> {
    let units = usize::try_from(most.as_u64()).unwrap_or(usize::MAX) / UNIT;
    Arc::new(Semaphore::new(units.clamp(1, Semaphore::MAX_PERMITS)))
}

/// A body, and its part of the memory.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) bytes: Bytes,
    _memory: Option<OwnedSemaphorePermit>,
}

/// Reads a body.
///
/// A client that is sending too much is heard to its end, without keeping what it sends: it would not read the answer before.
pub(crate) async fn read(memory: &Arc<Semaphore>, server: &Server, max: ByteSize, body: Body) -> Result<Held, Refusal> {
    let mut refusal = None;
    let read = collect(memory, max, body, &mut refusal);
    let read = tokio::time::timeout(server.read_timeout, read).await;
    match (read, refusal) {
        (_, Some(refusal)) => Err(refusal),
        (Ok(held), None) => held,
        (Err(_), None) => Err(Refusal::Slow(server.read_timeout)),
    }
}

async fn collect(memory: &Arc<Semaphore>, max: ByteSize, mut body: Body, refusal: &mut Option<Refusal>) -> Result<Held, Refusal> {
    let mut bytes = Vec::new();
    let mut permits: Option<OwnedSemaphorePermit> = None;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(Refusal::Broken)?.into_data() else { continue };
        if refusal.is_some() {
            continue;
        }
        let length = bytes.len() + data.len();
        let held = permits.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        // Vectors grow by doubling.
        let wanted = (2 * length).div_ceil(UNIT).saturating_sub(held);
        if length as u64 > max.as_u64() {
            *refusal = Some(Refusal::TooLarge(max));
        } else {
            match u32::try_from(wanted).ok().and_then(|n| memory.clone().try_acquire_many_owned(n).ok()) {
                Some(more) => match &mut permits {
                    Some(permits) => permits.merge(more),
                    None => permits = Some(more),
                },
                None => *refusal = Some(Refusal::Busy),
            }
        }
        if refusal.is_some() {
            (bytes, permits) = (Vec::new(), None);
        } else {
            bytes.extend_from_slice(&data);
        }
    }
    Ok(Held { bytes: bytes.into(), _memory: permits })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lengths(memory: &Arc<Semaphore>, max: u64, length: usize) -> Result<usize, Refusal> {
        let body = Body::from(vec![b' '; length]);
        read(memory, &Server::default(), ByteSize::b(max), body).await.map(|held| held.bytes.len())
    }

    #[tokio::test]
    async fn size_and_memory_are_bounded() {
        let memory = memory(ByteSize::kib(8));
        assert_eq!(lengths(&memory, 1024, 1024).await.unwrap(), 1024);
        assert!(matches!(lengths(&memory, 1024, 1025).await, Err(Refusal::TooLarge(_))));
        assert!(matches!(lengths(&memory, 1 << 20, 5 * 1024).await, Err(Refusal::Busy)));
        // Nothing is left taken, but by who still holds a body.
        assert_eq!(memory.available_permits(), 8);
        let held = read(&memory, &Server::default(), ByteSize::kib(4), Body::from(vec![b' '; 4096])).await.unwrap();
        assert!(matches!(lengths(&memory, 1024, 1).await, Err(Refusal::Busy)));
        drop(held);
        assert_eq!(lengths(&memory, 1024, 1).await.unwrap(), 1);
    }
}
