//! What all requests share.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use arc_swap::ArcSwap;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::{Notify, Semaphore};

use super::failures::Failures;
use super::lane::Lane;
use super::{body, metrics};
use crate::archive::Archive;
use crate::config::{Settings, SettingsError};
use crate::intents::Intents;
use crate::jit::JitSource;

/// The running service.
pub(crate) struct Service {
    settings: ArcSwap<Settings>,
    file: Option<PathBuf>,
    pub(super) auctions: Lane,
    pub(crate) quotes: Lane,
    pub(super) failures: Failures,
    pub(crate) bodies: Arc<Semaphore>,
    pub(super) archive: Option<Archive>,
    pub(super) jit: Option<Box<dyn JitSource>>,
    pub(super) prometheus: PrometheusHandle,
    pub(super) intents: Option<Arc<Intents>>,
    stopped: AtomicBool,
    ending: AtomicBool,
    ended: Notify,
}

impl Service {
    pub(super) async fn new(settings: Settings, file: Option<PathBuf>) -> anyhow::Result<Arc<Self>> {
        let prometheus = metrics::install()?;
        let folder = file.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
        let intents = if settings.intents.enabled { Some(Intents::open(&settings, folder).await?) } else { None };
        let work = &settings.work;
        let archive = settings.archive.enabled.then(|| Archive::open(&settings.archive)).transpose()?;
        let jit = settings.jit.open(&settings.settlement.contracts).context("[jit]")?;
        let service = Arc::new(Self {
            auctions: Lane::new("auction", work.auctions, work.threads, work.waiting_auctions)
                .context("cannot start the threads of auctions")?,
            quotes: Lane::new("quote", work.quotes, 1, work.waiting_quotes).context("cannot start the threads of quotes")?,
            failures: Failures::new(),
            bodies: body::memory(settings.server.max_bodies),
            archive,
            jit,
            prometheus,
            intents,
            stopped: AtomicBool::new(false),
            ending: AtomicBool::new(false),
            ended: Notify::new(),
            settings: ArcSwap::from_pointee(settings),
            file,
        });
        metrics::enabled(service.enabled());
        Ok(service)
    }

    pub(super) fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    /// Whether auctions are solved: switched off neither by the operator nor by the configuration, and not going down.
    pub(super) fn enabled(&self) -> bool {
        !self.stopped.load(Ordering::Relaxed) && self.settings.load().server.enabled && !self.is_ending()
    }

    /// The operator's switch.
    pub(super) fn switch(&self, on: bool) {
        self.stopped.store(!on, Ordering::Relaxed);
        tracing::warn!(enabled = self.enabled(), "switched {} by the operator", if on { "on" } else { "off" });
        metrics::enabled(self.enabled());
    }

    /// Tells whatever is being solved to answer with what it has.
    pub(super) fn end(&self) {
        self.ending.store(true, Ordering::Relaxed);
        self.ended.notify_waiters();
        metrics::enabled(false);
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    /// Waits until the service is going down.
    pub(crate) async fn ended(&self) {
        let ended = self.ended.notified();
        // Said before one listened, it is not said again.
        if !self.is_ending() {
            ended.await;
        }
    }

    /// Reads the configuration again; what is not valid changes nothing.
    pub(super) fn reload(&self) -> Result<(), SettingsError> {
        let settings = match &self.file {
            Some(file) => Settings::read(file),
            None => Settings::parse(""),
        };
        metrics::reloaded(settings.is_ok());
        let settings = settings.inspect_err(|error| tracing::error!(%error, "configuration not reloaded: the old one stays"))?;
        let old = self.settings.swap(Arc::new(settings));
        if old.needs_restart(&self.settings.load()) {
            tracing::warn!("some of what changed in the configuration takes effect on the next start only");
        }
        tracing::info!(enabled = self.enabled(), "configuration reloaded");
        metrics::enabled(self.enabled());
        Ok(())
    }
}
