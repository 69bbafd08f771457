//! Logs and traces.

use std::collections::HashMap;
use std::io::IsTerminal;

use anyhow::Context;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::config::{Format, Log, Traces};

/// Sends what is left of the traces when it goes.
pub(super) struct Telemetry(Option<SdkTracerProvider>);

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.0.as_ref().map(SdkTracerProvider::shutdown) {
            tracing::warn!(%error, "the last traces could not be sent");
        }
    }
}

/// Starts to log and to trace. Not to be called from asynchronous code.
pub(super) fn init(log: &Log, traces: &Traces) -> anyhow::Result<Telemetry> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(filter) => EnvFilter::try_new(filter).context("RUST_LOG")?,
        Err(_) => EnvFilter::try_new(&log.filter).context("log.filter")?,
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let lines = match log.format {
        Format::Human => lines.boxed(),
        Format::Json => lines.json().flatten_event(true).boxed(),
    };
    let provider = traces.endpoint.as_deref().map(|endpoint| provider(endpoint, traces)).transpose()?;
    let spans = provider.as_ref().map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer("ballast")));
    tracing_subscriber::registry().with(filter).with(lines).with(spans).init();
    Ok(Telemetry(provider))
}

fn provider(endpoint: &str, traces: &Traces) -> anyhow::Result<SdkTracerProvider> {
    let headers: HashMap<String, String> =
        traces.headers.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())).collect();
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_endpoint(endpoint)
        .with_headers(headers)
        .build()
        .context("traces.endpoint")?;
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(traces.ratio))))
        .with_resource(Resource::builder().with_service_name("ballast").build())
        .build())
}
