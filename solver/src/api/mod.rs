//! The engine as an HTTP service beside the driver.
//!
//! ```text
//! POST /solve ─► body (bounded, in time) ─► parse ─► deadline ─┬─► lane of auctions ─┐
//!                                                              └─► lane of quotes  ──┴─► avoid ─► pipeline ─► reply
//! POST /notify ─► failures: what to avoid, for a while
//! ```
//!
//! Requests are read and answered by tokio; all solving runs on threads of its own (`lane`). A reply leaves before the deadline less
//! the slack: the search is told to stop a little earlier, and whoever is not done by then is answered without.

mod admin;
pub(crate) mod body;
mod deadline;
mod failures;
mod found;
mod lane;
mod listener;
mod metrics;
mod notify;
mod refusal;
mod routes;
mod service;
mod solve;
mod telemetry;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub(crate) use self::refusal::{Failing, Problem, Refusal, Unread};
pub(crate) use self::service::Service;
use crate::config::Settings;
use crate::intents::Worker;

/// Serves until it is told to end: by ctrl-c or SIGTERM. SIGHUP reads the configuration again.
///
/// # Errors
/// When the configuration is not valid or an address cannot be had.
pub fn serve(file: Option<PathBuf>, listen: Option<SocketAddr>) -> anyhow::Result<()> {
    let settings = match &file {
        Some(path) => Settings::read(path).with_context(|| path.display().to_string())?,
        None => Settings::default(),
    };
    // The exporter has a thread of its own, and wants to be made outside of the runtime.
    let _telemetry = telemetry::init(&settings.log, &settings.traces)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start")?;
    runtime.block_on(run(settings, file, listen))
}

async fn run(settings: Settings, file: Option<PathBuf>, listen: Option<SocketAddr>) -> anyhow::Result<()> {
    let (server, admin) = (settings.server.clone(), settings.admin.clone());
    // Where a test says so, it stops there.
    let _points = fail::FailScenario::setup();
    let service = Service::new(settings, file).await?;
    let mut worker = work(&service)?;
    let (handle, admin_handle) = (axum_server::Handle::new(), axum_server::Handle::new());
    tokio::spawn(obey(service.clone(), handle.clone(), admin_handle.clone())?);
    let public = listener::bind(listen.unwrap_or(server.listen), "the solver")?;
    let public = listener::serve(public, routes::router(service.clone()), server.clone(), handle);
    let served = async {
        match admin.listen {
            Some(address) => {
                let listener = listener::bind(address, "the operator's address")?;
                let router = admin::router(service, admin.token);
                tokio::try_join!(public, listener::serve(listener, router, server, admin_handle)).map(|_| ())
            }
            None => public.await,
        }
    };
    match &mut worker {
        Some(worker) => {
            tokio::pin!(served);
            // It ends when it is told to, at its next step: if it ends before, intents are watched by nobody, and a process that starts
            // anew does better than one that goes on.
            tokio::select! {
                served = &mut served => {
                    served?;
                    worker.await.context("what watches intents has failed")?;
                }
                ended = &mut *worker => {
                    ended.context("what watches intents has failed")?;
                    served.await?;
                }
            }
        }
        None => served.await?,
    }
    tracing::info!("ended");
    Ok(())
}

/// Starts to watch and settle intents, if there are to be any, on a thread that nobody else uses: solving takes it for itself.
fn work(service: &Arc<Service>) -> anyhow::Result<Option<JoinHandle<()>>> {
    let Some(intents) = &service.intents else { return Ok(None) };
    let (end, ending) = watch::channel(false);
    let worker = Worker::new(intents.clone(), ending)?;
    let ended = service.clone();
    tokio::spawn(async move {
        ended.ended().await;
        end.send_replace(true);
    });
    let runtime = Handle::current();
    Ok(Some(tokio::task::spawn_blocking(move || runtime.block_on(worker.run()))))
}

/// Does what signals say: reload, or end with what there is.
fn obey(
    service: Arc<Service>,
    public: axum_server::Handle<SocketAddr>,
    admin: axum_server::Handle<SocketAddr>,
) -> anyhow::Result<impl Future<Output = ()> + Send> {
    let (mut hangup, mut terminate, mut interrupt) =
        (signal(SignalKind::hangup())?, signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        loop {
            tokio::select! {
                Some(()) = hangup.recv() => {
                    let _reported = service.reload();
                }
                Some(()) = terminate.recv() => break,
                Some(()) = interrupt.recv() => break,
                else => break,
            }
        }
        tracing::info!("ending: what is being solved is answered as far as it is");
        service.end();
        for handle in [public, admin] {
            handle.graceful_shutdown(Some(service.settings().server.shutdown_grace));
        }
    })
}
