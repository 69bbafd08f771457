//! Connections: how many, how slow, and until when.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum_server::Handle;
use axum_server::accept::Accept;
use hyper_util::rt::TokioTimer;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutStream;
use tower_http::add_extension::AddExtension;

use crate::config::Server;

/// Binds an address, and says which it is.
pub(super) fn bind(address: SocketAddr, name: &str) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
    listener.set_nonblocking(true)?;
    tracing::info!(address = %listener.local_addr()?, "{name} listens");
    Ok(listener)
}

/// Serves until `handle` says to stop.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    server: Server,
    handle: Handle<SocketAddr>,
) -> anyhow::Result<()> {
    let patient = Patient { permits: Arc::new(Semaphore::new(server.max_connections)), idle: server.idle_timeout };
    let mut http = axum_server::from_tcp(listener)?.handle(handle).acceptor(patient).http1_only();
    http.http_builder().http1().timer(TokioTimer::new()).header_read_timeout(server.read_timeout);
    Ok(http.serve(router.into_make_service()).await?)
}

/// Accepts as many connections as there are permits, and drops those whose other end stops reading.
#[derive(Clone)]
struct Patient {
    permits: Arc<Semaphore>,
    idle: Duration,
}

impl<S: Send + 'static> Accept<TcpStream, S> for Patient {
    type Stream = Pin<Box<TimeoutStream<TcpStream>>>;
    /// The permit lives as long as the connection's service.
    type Service = AddExtension<S, Arc<OwnedSemaphorePermit>>;
    type Future = Pin<Box<dyn Future<Output = std::io::Result<(Self::Stream, Self::Service)>> + Send>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let Self { permits, idle } = self.clone();
        Box::pin(async move {
            let permit = permits.acquire_owned().await.map_err(std::io::Error::other)?;
            stream.set_nodelay(true)?;
            let mut stream = TimeoutStream::new(stream);
            stream.set_write_timeout(Some(idle));
            Ok((Box::pin(stream), AddExtension::new(service, Arc::new(permit))))
        })
    }
}
